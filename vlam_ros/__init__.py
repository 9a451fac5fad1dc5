"""Plain-language instructions for ROS 2 robots: see a scene, plan, verify, act in small steps."""

from pkgutil import extend_path

__version__ = "0.1.0"

# The generated `vlam_ros.msg` may be installed beside the source tree; both are one package.
__path__ = extend_path(__path__, __name__)

"""Labelled pictures to learn from, in COCO's format: of bags, of others and of simulation."""

from vlam_ros.lab.training.data.crops import CloseupStream, plain_closeups
from vlam_ros.lab.training.data.dataset import Dataset, Labelled
from vlam_ros.lab.training.data.imported import SCENES, import_coco
from vlam_ros.lab.training.data.index import Annotation, Picture
from vlam_ros.lab.training.data.review import SplitSummary, accept, summarise
from vlam_ros.lab.training.data.simulated import add_simulated
from vlam_ros.lab.training.data.splits import SPLITS, split_of
from vlam_ros.lab.training.data.stream import BatchStream
from vlam_ros.lab.training.data.writer import DatasetWriter

__all__ = [
    "SCENES",
    "SPLITS",
    "Annotation",
    "BatchStream",
    "CloseupStream",
    "Dataset",
    "DatasetWriter",
    "Labelled",
    "Picture",
    "SplitSummary",
    "accept",
    "add_simulated",
    "import_coco",
    "plain_closeups",
    "split_of",
    "summarise",
]

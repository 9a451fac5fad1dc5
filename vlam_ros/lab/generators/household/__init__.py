"""Household objects of LIBERO on tables, shelves and floors; `make libero` installs them."""

from vlam_ros.lab.generators.household.images import Household

__all__ = ["Household"]

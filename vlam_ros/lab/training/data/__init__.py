"""Labelled images to learn from, in COCO's format: of bags, of others and of simulation."""

from vlam_ros.lab.training.data.crops import CropStream, plain_crops
from vlam_ros.lab.training.data.dataset import Dataset, Labelled, SplitSummary, summarise
from vlam_ros.lab.training.data.imported import SCENES, accept, import_coco
from vlam_ros.lab.training.data.index import SPLITS, Annotation, Image, split_of
from vlam_ros.lab.training.data.simulated import add_simulated
from vlam_ros.lab.training.data.stream import BatchStream
from vlam_ros.lab.training.data.writer import DatasetWriter

__all__ = [
    "SCENES",
    "SPLITS",
    "Annotation",
    "BatchStream",
    "CropStream",
    "Dataset",
    "DatasetWriter",
    "Image",
    "Labelled",
    "SplitSummary",
    "accept",
    "add_simulated",
    "import_coco",
    "plain_crops",
    "split_of",
    "summarise",
]

"""Pictures for people: poses, heatmaps, and sheets that compare them (NumPy and OpenCV only)."""

from dcpose.visualize.heatmaps import overlay_heatmaps
from dcpose.visualize.mistakes import WRONG_RGB, caption, circle_joints
from dcpose.visualize.pose import LEFT_RGB, MIDDLE_RGB, RIGHT_RGB, draw_pose
from dcpose.visualize.sheets import comparison_sheet, person_view, picture_grid
from dcpose.visualize.stages import JointSamples, JointStages, stages_sheet

__all__ = [
    "JointSamples",
    "JointStages",
    "LEFT_RGB",
    "MIDDLE_RGB",
    "RIGHT_RGB",
    "WRONG_RGB",
    "caption",
    "circle_joints",
    "comparison_sheet",
    "picture_grid",
    "stages_sheet",
    "draw_pose",
    "overlay_heatmaps",
    "person_view",
]

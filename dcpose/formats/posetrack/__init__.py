"""The file forms of PoseTrack: 2017, 2018, merged, predictions, leaderboard."""

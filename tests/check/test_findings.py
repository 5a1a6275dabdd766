import json

from dcpose.check.findings import Finding, Report, SplitSummary

SUMMARY = SplitSummary("val", 74, 8880, 3902, 20000, 8879, boxes=30000)


def finding(number, code="missing-frame", **values):
    return Finding(code, f"{number:06d}.jpg", "not on disk", "copy it", **values)


def test_text_of_a_healthy_set():
    text = Report("data", "PoseTrack18 v0.2", [SUMMARY], []).text()
    assert text == (
        "data set: data\n"
        "labels: PoseTrack18 v0.2\n"
        "  val: 74 videos, 8,880 frames (8,879 usable), 3,902 labelled, 20,000 people, "
        "30,000 detections\n"
        "healthy: no problems, 0 notes"
    )


def test_long_lists_are_cut_per_code_and_counted_whole():
    findings = [finding(n, count=2) for n in range(8)] + [finding(9, "frame-size")]
    lines = Report("data", "", [], [*findings, finding(3, "more-frames", level="note")]).text()
    assert lines.split("\n")[2:] == [
        "problems:",
        *[
            f"  [missing-frame] {n:06d}.jpg: not on disk (and 1 more like it there); copy it"
            for n in range(5)
        ],
        "  [missing-frame] ... 6 more, listed in the JSON report (--json)",
        "  [frame-size] 000009.jpg: not on disk; copy it",
        "notes:",
        "  [more-frames] 000003.jpg: not on disk; copy it",
        "17 problems, 1 notes",
    ]


def test_allowed_codes_become_notes():
    report = Report("data", "", [], [finding(1), finding(2, "frame-size")])
    allowed = report.allowing(["missing-frame"])
    assert [f.code for f in allowed.problems] == ["frame-size"]
    assert [f.code for f in allowed.notes] == ["missing-frame"]
    assert len(report.problems) == 2


def test_json_holds_everything():
    findings = [finding(n) for n in range(20)] + [finding(21, level="note")]
    report = Report("data", "labels", [SUMMARY], findings, tree="expected")
    content = json.loads(json.dumps(report.to_json_dict()))
    assert content["healthy"] is False
    assert len(content["problems"]) == 20
    assert content["problems"][3] == {
        "code": "missing-frame",
        "where": "000003.jpg",
        "found": "not on disk",
        "mend": "copy it",
        "level": "problem",
        "count": 1,
    }
    assert len(content["notes"]) == 1
    assert content["splits"][0]["labelled_frames"] == 3902
    assert content["tree"] == "expected"

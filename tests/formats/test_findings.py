import pytest

from dcpose.formats.findings import Finding, Findings


def test_a_strict_reader_stops_at_the_first_finding():
    with pytest.raises(ValueError, match=r"^a\.json: 3 feet \(and 1 more like it there\); cut"):
        Findings().add("feet", "a.json", "3 feet", "cut one", count=2)


def test_another_goes_on_and_keeps_all_of_them():
    findings = Findings(strict=False)
    with findings.of_entry("entry", "a.json: images[1]"):
        raise ValueError("a.json: images[1]: id is missing")
    findings.add("feet", "a.json", "3 feet", "cut one")
    assert findings.found == [
        Finding("entry", "a.json: images[1]", "id is missing", "correct this entry"),
        Finding("feet", "a.json", "3 feet", "cut one"),
    ]


def test_only_what_a_reader_refuses_becomes_a_finding():
    findings = Findings(strict=False)
    with pytest.raises(KeyError), findings.of_entry("entry", "a.json"):
        raise KeyError("a mistake of ours")
    assert findings.found == []

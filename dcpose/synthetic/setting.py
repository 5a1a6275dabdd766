"""What kind of videos are rendered: where the camera stands, who is there, and what they do."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

Scenes = Literal["street", "anywhere", "both", "crowd", "tables", "varied"]

_STREET_ACTIONS = ("wave", "squat", "dance", "jumping_jack", "box", "kick", "talk", "reach")


@dataclass(frozen=True)
class Setting:
    """Ranges and probabilities that a video is drawn from; the defaults are a street.

    Attributes:
        people: shares of the videos with one, two, three ... people.
        horizon: row where the ground begins, as a share of the image's height.
        pitch: the camera looks down by this angle, radians.
        size: height of a standing person, as a share of the image's height.
        height: metres.
        actions: what people do, and how often.
        facing: share of the standing people who are seen from the front more or less.
        variety: factor on how much two people differ who do the same.
        together: share of the people who stand close to another one.
        seat, table: share of the sitting people with a visible seat, and share of the people
            behind a table or a fence.
        loose: share of the people in wide clothes; skirt: in a skirt or a coat.
        hats: share of the people of a wardrobe who have something on the head.
        turned: who walks goes anywhere, and not only across the picture.
        pieces: of pictures, up to so many of which lie behind people, where there are pictures.
        clear: share of the videos in which nothing is blurred, defocused or crossed by things.
        photos: pictures that stand behind most scenes, in the order of their names.
        bodies: folder of a `Wardrobe`, whose bodies the people have; None paints them.
    """

    people: tuple[float, ...] = (0.1, 0.2, 0.3, 0.25, 0.15)
    horizon: tuple[float, float] = (0.24, 0.36)
    pitch: tuple[float, float] = (0.02, 0.16)
    size: tuple[float, float] = (0.34, 0.74)
    height: tuple[float, float] = (1.5, 1.95)
    actions: tuple[tuple[str, float], ...] = (
        ("walk", 0.26),
        ("run", 0.12),
        *((name, 0.62 / len(_STREET_ACTIONS)) for name in _STREET_ACTIONS),
    )
    facing: float = 0.65
    variety: float = 1.0
    together: float = 0.0
    seat: float = 0.0
    table: float = 0.0
    loose: float = 0.0
    skirt: float = 0.0
    hats: float = 0.12
    turned: bool = False
    pieces: int = 0
    clear: float = 0.0
    photos: tuple[Path, ...] = ()
    bodies: Path | None = None


STREET = Setting()
"""What the quick start is trained on."""


def make_settings(
    scenes: Scenes, photos: Path | None = None, bodies: Path | None = None
) -> tuple[Setting, ...]:
    """Return settings by name; the videos of a data set take turns with them.

    Args:
        scenes: "street", whole bodies before a standing camera; "anywhere", where people also sit,
            bend, do sports, are cut off by tables and by the border of the picture, and are seen
            close up, from above and from behind; "both", one video in three on the street, and
            most of all videos clear; "crowd", four to ten people on the street, close together;
            "tables", a few people, most of whom sit, behind tables and close up; "varied", people
            in any pose, seen from any side, many with hats, before and behind pieces of pictures.
        photos: folder of `.jpg` pictures without people that become backgrounds.
        bodies: folder of a `Wardrobe`, whose bodies and clothes the people have.

    Raises:
        ValueError: for another name, or a folder without pictures.
    """
    pictures = tuple(sorted(photos.glob("*.jpg"))) if photos else ()
    if photos and not pictures:
        raise ValueError(f"{photos}: no .jpg pictures; name a folder that has some")
    if scenes not in get_args(Scenes):
        known = ", ".join(get_args(Scenes))
        raise ValueError(f"scenes: found {scenes!r}, expected one of {known}")
    street = Setting(photos=pictures, bodies=bodies)
    anywhere = _anywhere(street)
    if scenes == "both":
        return tuple(replace(place, clear=0.6) for place in (anywhere, street, anywhere))
    if scenes == "crowd":
        crowd = replace(
            street,
            people=(0, 0, 0, *(1 / 7,) * 7),
            size=(0.22, 0.62),
            facing=0.5,
            together=0.6,
            loose=0.4,
            skirt=0.2,
            clear=0.7,
        )
        return (crowd,)
    if scenes == "tables":
        return (_tables(anywhere),)
    if scenes == "varied":
        return (_varied(anywhere),)
    return (street if scenes == "street" else anywhere,)


def _anywhere(street: Setting) -> Setting:
    return replace(
        street,
        horizon=(0.1, 0.5),
        pitch=(-0.15, 0.75),
        size=(0.3, 1.7),
        height=(0.95, 1.95),
        actions=(
            *(("walk", 0.13), ("run", 0.07)),
            *((name, 0.3 / len(_STREET_ACTIONS)) for name in _STREET_ACTIONS),
            *(("sit", 0.2), ("stand", 0.14), ("swing", 0.07), ("crouch", 0.05), ("lunge", 0.04)),
        ),
        facing=0.45,
        variety=2.2,
        together=0.35,
        seat=0.7,
        table=0.22,
        loose=0.5,
        skirt=0.2,
    )


def _tables(anywhere: Setting) -> Setting:
    return replace(
        anywhere,
        people=(0.25, 0.35, 0.25, 0.15),
        horizon=(0.1, 0.4),
        pitch=(-0.05, 0.6),
        size=(0.5, 1.5),
        actions=(
            *(("sit", 0.5), ("stand", 0.2), ("talk", 0.1), ("reach", 0.1)),
            *(("swing", 0.05), ("crouch", 0.05)),
        ),
        seat=0.8,
        table=0.6,
        clear=0.7,
    )


def _varied(anywhere: Setting) -> Setting:
    return replace(
        anywhere,
        people=(0.2, 0.3, 0.3, 0.2),
        pitch=(-0.15, 0.6),
        size=(0.4, 1.6),
        actions=(
            *(("anyhow", 0.26), ("sit", 0.26), ("stand", 0.12), ("walk", 0.08), ("run", 0.06)),
            *(("swing", 0.07), ("crouch", 0.06), ("lunge", 0.04), ("reach", 0.03), ("talk", 0.02)),
        ),
        facing=0.3,
        variety=3.0,
        table=0.3,
        hats=0.35,
        turned=True,
        pieces=24,
        clear=0.75,
    )

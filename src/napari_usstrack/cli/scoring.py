"""The commands ``evaluate`` and ``benchmark``."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from napari_usstrack.cli.parts import Rate, Scale, spacing_of
from napari_usstrack.core.errors import UsstrackError

EVALUATE_EXAMPLE = "Example: usstrack evaluate tracks.csv truth.csv --fps 61 --plots plots"
BENCHMARK_EXAMPLE = (
    "Example: usstrack benchmark --methods hybrid,lucas-kanade:window=21 --sets clips "
    "--data clips --output results"
)
INTERRUPTED = 130


class Frames(StrEnum):
    """Which frames count."""

    STRIDED = "strided"
    FIRST = "first"


Tracks = Annotated[
    Path, typer.Argument(metavar="TRACKS.csv", help="Tracks as tidy CSV (px, frames from 0).")
]
Truth = Annotated[
    Path,
    typer.Argument(
        metavar="TRUTH.csv", help="True positions as tidy CSV; points are matched by name."
    ),
]
ClipOfThem = Annotated[
    Path | None,
    typer.Option(
        "--clip", help="Clip they belong to; by default the .json beside the table tells."
    ),
]
QueryFrames = Annotated[
    list[int] | None,
    typer.Option(
        "--query-frame",
        metavar="FRAME",
        help="Frame in which the points were given, from 0; repeatable. It is left out. By default "
        "the cells of the tracks that were set by hand, else the first frame in which the truth "
        "is visible.",
    ),
]
Mode = Annotated[
    Frames,
    typer.Option(help="Frames that count: all but the queries, or only those after the first."),
]
Cycle = Annotated[
    tuple[int, int] | None,
    typer.Option(
        metavar="FRAME FRAME",
        help="Two frames of the same phase, as two end-diastoles; adds the closure, px and mm.",
    ),
]
Table = Annotated[
    Path | None, typer.Option("--csv", metavar="OUT", help="Also write all numbers as CSV.")
]
Plots = Annotated[
    Path | None, typer.Option("--plots", metavar="FOLDER", help="Also write plots as PNG.")
]
Methods = Annotated[
    str,
    typer.Option(
        "--methods",
        "-m",
        metavar="NAME[:KEY=VALUE...],...",
        help="Methods with their settings; by default all of them with their defaults.",
    ),
]
Data = Annotated[
    list[Path] | None,
    typer.Option("--data", metavar="DIR", help="Folder with data of the sets; repeatable."),
]
Sets = Annotated[
    str,
    typer.Option(
        "--sets",
        metavar="NAME,...",
        help="Any of simulated, clips, observers, phantom, checks; by default the simulated set "
        "alone, with --data all of them.",
    ),
]
TorchScripts = Annotated[
    list[str] | None,
    typer.Option(
        "--torchscript",
        metavar="FILE[:KEY=VALUE...]",
        help="TorchScript tracker to run as well, with channels=3 or size=256x256 (px) if it wants "
        "that; repeatable. docs/benchmark.md tells what it is given.",
    ),
]
Peers = Annotated[
    bool, typer.Option(help="Also run plain OpenCV trackers, and DUSTrack where there is one.")
]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for the results.")
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, metavar="N", help="At most N clips of each set.")
]


def evaluate(
    tracks: Tracks,
    truth: Truth,
    clip: ClipOfThem = None,
    query_frame: QueryFrames = None,
    mode: Mode = Frames.STRIDED,
    cycle: Cycle = None,
    table: Table = None,
    plots: Plots = None,
    mm_per_px: Scale = None,
    fps: Rate = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, not the table.")] = False,
) -> None:
    """Compare tracks with a truth: accuracy in %, errors in px and mm, with intervals."""
    from napari_usstrack.io.atomic import write_bytes
    from napari_usstrack.io.tables import check_table
    from napari_usstrack.pipelines import evaluate as evaluating
    from napari_usstrack.pipelines import score_text as text

    if table is not None:
        if table.resolve() in (tracks.resolve(), truth.resolve()):
            raise UsstrackError(f"{table} is an input; choose another name for the result.")
        check_table(table)
    pair = evaluating.read_pair(tracks, truth, clip=clip, spacing_mm=spacing_of(mm_per_px), fps=fps)
    found = evaluating.evaluate(*pair, query_frames=query_frame or (), mode=mode.value, cycle=cycle)
    if table is not None:
        write_bytes(table, text.csv_text(text.evaluation_rows(found)).encode())
    if plots is not None:
        from napari_usstrack.pipelines import evaluate_plots

        evaluate_plots.draw(found, plots)
    if as_json:
        typer.echo(json.dumps(text.evaluation_facts(found), indent=2))
        return
    typer.echo(f"{tracks} against {truth}")
    typer.echo("\n".join(text.evaluation_lines(found)))


def benchmark(
    methods: Methods = "",
    data: Data = None,
    sets: Sets = "",
    torchscript: TorchScripts = None,
    peers: Peers = True,
    output: Output = Path("usstrack-benchmark"),
    limit: Limit = None,
) -> None:
    """Run methods and peers on sets of clips: accuracy, errors in px and mm, time in ms."""
    from napari_usstrack.io.atomic import write_bytes
    from napari_usstrack.pipelines.bench import methods as made
    from napari_usstrack.pipelines.bench import plots, run, table
    from napari_usstrack.pipelines.bench import sets as known
    from napari_usstrack.pipelines.canvas import folder_for

    folders = data or []
    if absent := [folder for folder in folders if not folder.is_dir()]:
        raise UsstrackError(f"{absent[0]} is no folder; check what follows --data")
    wanted = run.check_sets(sets or ("simulated" if not folders else ",".join(known.NAMES)))
    chosen, notes = made.chosen(methods, torchscript or [], peers)
    folder_for(output)
    results = run.Results(output / run.RESULTS)
    told = {"sets": wanted, "data": folders, "limit": limit}
    run.write_settings(output / run.SETTINGS, chosen, **told, finished=False)
    finished = False
    try:
        for line in run.run(chosen, wanted, folders, results, limit=limit):
            typer.echo(line, err=True)
        finished = True
    except KeyboardInterrupt:
        notes.append("Interrupted: what follows is what was finished.")
    run.write_settings(output / run.SETTINGS, chosen, **told, finished=finished)
    lines = table.table_lines(results.rows)
    write_bytes(output / "table.txt", "".join(f"{line}\n" for line in [*notes, *lines]).encode())
    for note in notes:
        typer.echo(note, err=True)
    typer.echo("\n".join(lines))
    plots.draw(results.rows, output / "plots")
    typer.echo(f"\n{output}: {run.RESULTS}, {run.SETTINGS}, table.txt, plots")
    if not finished:
        raise typer.Exit(INTERRUPTED)

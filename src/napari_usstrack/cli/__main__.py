"""Lets ``python -m napari_usstrack.cli`` run the command."""

from napari_usstrack.cli import main

if __name__ == "__main__":
    main()

"""Tables of numbers that lie beside a genre's weights, in one safetensors file."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from model.errors import NeedsOperator, write_whole

Tables = dict[str, NDArray[Any]]


def save_tables(path: Path, tables: Mapping[str, NDArray[Any]], version: int) -> None:
    """Write tables by their names, and the version of their format."""
    write_whole(path, save(dict(tables), metadata={"format": str(version)}))


def load_tables(
    path: Path, names: Iterable[str], version: int, *, what: str, command: str, error: type[NeedsOperator]
) -> Tables:
    """Read tables that `save_tables` wrote, whatever shapes they have.

    Args:
        path: Of the file.
        names: Of the tables.
        version: Of the format.
        what: As people say it: "leader".
        command: Of `lnh`, that makes such a file.
        error: To raise when the file is damaged or of another version.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            found = (file.metadata() or {})["format"]
            tables = {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as trouble:
        raise error(f"{path}: no {what} to be read ({trouble}); run `lnh {command}` again") from trouble
    if found != str(version):
        raise error(f"{path}: a {what} of format {found}, not {version}; run `lnh {command}` again")
    return tables

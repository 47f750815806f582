import json

import pytest
from safetensors.numpy import save_file

from model.errors import NeedsOperator
from model.genre import load_genres
from worker import check
from worker.commands import work_command


@pytest.fixture
def weights_of_another_vocabulary(tmp_path, monkeypatch):
    for genre in load_genres().values():
        save_file({}, tmp_path / f"{genre.weights}.safetensors", {"format": "of another band"})
    monkeypatch.setattr("model.weights.WEIGHTS_FOLDER", tmp_path)


@pytest.mark.parametrize("missing", ["ffmpeg", "ffprobe"])
def test_a_machine_without_ffmpeg_or_ffprobe_is_no_studio(missing, tmp_path, monkeypatch):
    for program in {"ffmpeg", "ffprobe"} - {missing}:
        (tmp_path / program).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(check, "find_library", lambda name: "libfluidsynth.so.3")

    with pytest.raises(NeedsOperator, match=f"^{missing} is not on the PATH; install it"):
        check.find_programs()


def test_a_machine_without_fluidsynth_is_no_studio(monkeypatch):
    monkeypatch.setattr(check, "find_library", lambda name: None)

    with pytest.raises(NeedsOperator, match="libfluidsynth is not on this machine; install it"):
        check.find_programs()


@pytest.mark.usefixtures("weights_of_another_vocabulary")
def test_a_worker_with_weights_of_another_vocabulary_does_not_start(redis_url, monkeypatch):
    monkeypatch.setenv("REDIS_URL", redis_url)

    with pytest.raises(NeedsOperator, match=r"\.safetensors: made for another vocabulary; train it again"):
        work_command.callback(queue="compose", device="cpu")


@pytest.mark.usefixtures("weights_of_another_vocabulary")
def test_the_studio_says_what_it_found_line_by_line(capsys):
    check.main()

    findings = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"genres", "programs", "soundfonts", "band heavy-metal"} <= {finding["what"] for finding in findings}
    (band,) = [finding for finding in findings if finding["what"] == "band heavy-metal"]
    assert not band["sound"]
    assert "another vocabulary" in band["found"]

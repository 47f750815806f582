# The bot, without torch, and the studio, with it. How to build and run them: docs/operating.md.
ARG PYTHON=3.11

# Wheels of your own come first: --build-context wheels=FOLDER puts them in the place of this empty stage.
FROM scratch AS wheels

FROM python:${PYTHON}-slim-bookworm AS house
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore \
    LNH_DATA=/data LNH_STORE=/tracks
RUN useradd --uid 10001 --create-home lnh && install --directory --owner=lnh --group=lnh /data /tracks
WORKDIR /lnh
COPY pyproject.toml constraints.txt README.md LICENSE ./
# Packages before code, so that a changed line of code installs nothing again; of what botocore knows, only the store.
RUN mkdir -p bot/platforms worker model && pip install --constraint constraints.txt --editable '.[s3]' \
    && cd "$(python -c 'import botocore; print(botocore.__path__[0])')/data" \
    && find . -mindepth 1 -maxdepth 1 -type d ! -name s3 ! -name 'sso*' ! -name sts -exec rm -r {} +

FROM house AS bot
COPY bot bot
COPY worker worker
COPY model model
COPY genres genres
WORKDIR /data
USER lnh
CMD ["lnh", "bot"]

FROM house AS worker
# Without the drivers of graphics cards, a quarter of what ffmpeg brings along: nothing is shown on a screen here.
RUN printf 'path-exclude=/usr/lib/*/%s\n' 'dri/*' 'libLLVM*' 'libz3*' 'mfx/*' 'libmfxhw*' \
        > /etc/dpkg/dpkg.cfg.d/no-graphics-card \
    && apt-get update \
    && apt-get install --yes --no-install-recommends ffmpeg libfluidsynth3 fonts-noto-color-emoji \
    && rm -rf /var/lib/apt/lists/*
# cuda: the usual build of torch, which also runs without a GPU; cpu: the small one, from `wheels` or TORCH_INDEX.
ARG ACCELERATOR=cuda
ARG TORCH_INDEX=
RUN --mount=from=wheels,target=/wheels \
    case "$ACCELERATOR" in cuda) build= ;; cpu) build=+cpu ;; *) echo "ACCELERATOR is cuda or cpu" >&2; exit 1 ;; esac; \
    pip install --constraint constraints.txt --find-links /wheels ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
        "torch==2.13.0$build" --editable '.[studio,s3]' \
    && cd "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    && rm -rf torch/include torch/test torch/bin/test_* torch/bin/protoc* numba/tests  # to build or test against; not in each
COPY . .
USER lnh
CMD ["lnh", "work"]

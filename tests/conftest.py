"""Fixtures for all tests: a small schema with gates, random rows that fit it, and a dataset of two real shards."""

import contextlib
import logging
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from jaxtyping import install_import_hook

from vjax.data.write_shard import write_shard
from vjax.sound.routes import CHANNELS, N_SLOTS
from vjax.sound.schema import Categorical, Continuous, Schema

# Before any test imports jax, and for the scripts that tests start: compiling takes most of the tests' time, and many
# compile the same. A training step compiles in a quarter of the time at level 0 and without fusion emitters; it then
# runs in four to five times its time.
_FAST_COMPILE = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_FAST_COMPILE}".strip()
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(__file__).parents[1] / ".pytest_cache" / "jax")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"

# Each call of these modules' functions checks types and shapes: under `jax.jit` once, while it is traced. An int counts
# as a float. `vjax.model.inverse` is not among them, because its config accepts the lists of JSON.
CHECKED = (
    "vjax.model.convolution",
    "vjax.model.heads",
    "vjax.model.max_pool",
    "vjax.model.norm",
    "vjax.model.posterior",
    "vjax.model.resnet",
    "vjax.model.winograd",
    "vjax.training.dense_routes",
    "vjax.training.disturb",
    "vjax.training.losses",
    "vjax.training.mean",
    "vjax.training.metrics",
    "vjax.training.modulation",
    "vjax.training.posterior",
    "vjax.audio.distances",
    "vjax.candidates.patch.factor",
    "vjax.candidates.patch.fit",
    "vjax.candidates.patch.model",
    "vjax.candidates.resynthesis.fit_table",
)
install_import_hook(CHECKED, "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

MEL = {"sample_rate": 44100, "n_fft": 2048, "hop": 512, "n_mels": 128, "f_min_hz": 0.0, "f_max_hz": 22050.0}
RENDER = {"seconds": 0.23, "note_s": 0.1, "velocity": 0.8, "sample_rate": 44100, "timeout_s": 30.0}
NOTES = (48, 60, 72)
N_FRAMES = 20  # of a render as above

# Tests of optional packages. Where CI is set, they run in any case, and fail if the package is missing.
_NEEDED_BY = {"gradio": ["web", "cli/test_web.py"], "ray": ["data/test_shard_tasks.py", "cli/test_scheduler_flag.py"]}
MISSING = () if os.environ.get("CI") else tuple(name for name in _NEEDED_BY if find_spec(name) is None)
collect_ignore = [path for name in MISSING for path in _NEEDED_BY[name]]


def _small_schema() -> Schema:
    knobs = (
        Continuous("beats_per_minute", 0.0, 300.0, 120.0, frozen=True),
        Continuous("env_1_attack", 0.0, 2.4, 0.1),
        Continuous("env_3_attack", 0.0, 2.4, 0.1),
        Continuous("filter_1_cutoff", 8.0, 136.0, 60.0),
        Continuous("filter_1_resonance", 0.0, 1.0, 0.5),
        Continuous("lfo_1_frequency", -7.0, 9.0, 1.0),
        Continuous("lfo_1_phase", 0.0, 1.0, 0.0),
        Continuous("osc_1_level", 0.0, 1.0, 0.7),
        Continuous("osc_1_transpose", -48.0, 48.0, 0.0, integer=True),
        Continuous("osc_2_level", 0.0, 1.0, 0.7),
        Continuous("reverb_dry_wet", 0.0, 1.0, 0.25),
        Continuous("volume", 0.0, 7399.0, 5473.0),
    )
    menus = (
        Categorical("filter_1_model", 0, 6, 0, labels=("Analog", "Dirty")),
        Categorical("filter_1_on", 0, 2, 0, labels=("Off", "On")),
        Categorical("osc_1_on", 0, 2, 1, labels=("Off", "On")),
        Categorical("osc_2_on", 0, 2, 0, labels=("Off", "On")),
        Categorical("reverb_on", 0, 2, 0, labels=("Off", "On")),
        Categorical("osc_1_wavetable", 0, 4, 0),
    )
    sources = ("env_2", "lfo_1", "macro_control_1", "velocity")
    destinations = tuple(knob.name for knob in knobs if knob.name not in ("beats_per_minute", "lfo_1_phase"))
    return Schema(knobs, menus, sources, destinations, engine="hand-made")


def _random_rows(schema: Schema, n_presets: int, seed: int) -> dict[str, np.ndarray]:
    """The arrays of a shard: each preset at every note of NOTES, with up to four routes and its own log-mel."""
    rng = np.random.default_rng(seed)
    n_cells = len(schema.sources) * len(schema.destinations)
    index = np.full((n_presets, N_SLOTS), -1, np.int32)
    value = np.zeros((n_presets, N_SLOTS, len(CHANNELS)), np.float32)
    for row in range(n_presets):
        routes = rng.integers(0, 5)
        index[row, :routes] = rng.choice(n_cells, routes, replace=False)
        value[row, :routes] = np.stack(
            [
                rng.uniform(0.1, 1, routes) * rng.choice([-1, 1], routes),
                rng.integers(0, 2, routes),
                rng.uniform(-10, 10, routes),
                rng.integers(0, 2, routes),
            ],
            -1,
        )
    presets = {
        "params/continuous": rng.random((n_presets, len(schema.continuous)), np.float32),
        "params/categorical": rng.integers(0, schema.option_counts, (n_presets, len(schema.categorical)), np.int32),
        "modulation/index": index,
        "modulation/value": value,
        "metadata/velocity": np.full(n_presets, 0.8, np.float32),
        "metadata/source": np.array(["prior"] * n_presets),
        "metadata/preset_hash": rng.integers(-(2**63), 2**63, n_presets, np.int64),
        "metadata/preset_name": np.array([f"prés {seed}/{i}" for i in range(n_presets)]),
        "metadata/tier": np.full(n_presets, 3, np.int32),
        "metadata/seed": np.arange(n_presets, dtype=np.int64),
    }
    rows = {name: np.repeat(array, len(NOTES), 0) for name, array in presets.items()}
    n = n_presets * len(NOTES)
    return rows | {
        "features/mel_spectrogram": rng.random((n, 1, 128, N_FRAMES), np.float32) * 3,
        "metadata/midi_note": np.tile(np.array(NOTES, np.int32), n_presets),
    }


@pytest.fixture(scope="session")
def file_size_limit() -> Callable[[int], contextlib.AbstractContextManager]:
    """`with file_size_limit(n)`: no file can grow beyond `n` bytes. Writing fails as on a full disk, but with EFBIG."""

    @contextlib.contextmanager
    def limit(n_bytes: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit


@pytest.fixture(scope="session")
def schema() -> Schema:
    """12 knobs (one frozen, one integer), 6 menus of which four gate modules, 4 sources, 10 destinations."""
    return _small_schema()


@pytest.fixture(scope="session")
def random_rows(schema: Schema) -> Callable[..., dict[str, np.ndarray]]:
    """`random_rows(n_presets, seed=0)`: arrays for `write_shard`, three rows a preset, mel [n, 1, 128, 20]."""
    return lambda n_presets, seed=0: _random_rows(schema, n_presets, seed)


@pytest.fixture(scope="session")
def shard_attributes() -> dict:
    """Attributes for `write_shard`."""
    return {"tier": 3, "mel": MEL, "generator_version": "test", "catalog": '{"tables": []}', "render": RENDER}


@pytest.fixture
def quick_fits(monkeypatch) -> None:
    """Patches and wavetables are fitted in ten steps, for tests that do not ask how near they come to the sound.

    `_FAST_COMPILE` makes each step slow.
    """
    from vjax.candidates.patch import fit
    from vjax.candidates.resynthesis import fit_table

    for steps in ("FIRST_STEPS", "STEPS", "MORE_STEPS"):
        monkeypatch.setattr(fit, steps, 10)
    fitted = fit_table._fitted
    monkeypatch.setattr(fit_table, "_fitted", lambda *arguments: fitted(*arguments[:-1], 10))


@pytest.fixture(scope="module")
def one_judge_seed() -> Iterator[None]:
    """Presets are judged by one render instead of three, for tests that do not ask how far apart renders are."""
    from vjax.matching import prepare
    from vjax.search import judge

    with pytest.MonkeyPatch.context() as patched:
        for module in (judge, prepare):
            patched.setattr(module, "JUDGE_SEEDS", judge.JUDGE_SEEDS[:1])
        yield


@pytest.fixture
def tiny_dataset(tmp_path: Path, schema: Schema, random_rows, shard_attributes) -> Path:
    """A folder of two shards: 8 presets in 24 rows and 5 presets in 15, sparse routes. Each test gets its own."""
    folder = tmp_path / "tiny_dataset"
    write_shard(folder / "shard-00000.h5", schema, random_rows(8, seed=1), shard_attributes)
    write_shard(folder / "shard-00001.h5", schema, random_rows(5, seed=2), shard_attributes)
    return folder


@pytest.fixture(scope="session")
def engine_vocabulary():
    """A catalog of three wavetables and three LFO shapes, in another order than the shipped one and with a new table.

    All of `vjax.vital` that it needs is imported here and not above: most tests are faster without.
    """
    from vjax.vital.default_vocabulary import default_vocabulary
    from vjax.vital.lfo_shapes import LfoShapeCatalog
    from vjax.vital.vocabulary import Vocabulary
    from vjax.vital.wavetables import WavetableCatalog, table_json

    shipped = default_vocabulary()
    hollow = np.sin(2 * np.pi * np.arange(2048) / 2048) + 0.5 * np.sin(6 * np.pi * np.arange(2048) / 2048)
    tables = (shipped.wavetables.tables[0], table_json("Hollow", hollow[None] / 1.5), shipped.wavetables.tables[3])
    shapes = tuple(shipped.lfo_shapes.shapes[i] for i in (0, 5, 2))
    return Vocabulary(WavetableCatalog(tables), LfoShapeCatalog(shapes))


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[[str, Callable[[Path], None]], Path]:
    """`made_once(name, make)`: a folder that `make(folder)` has filled, once for all workers of pytest-xdist.

    Tests must not change it.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent

    def get(name: str, make: Callable[[Path], None]) -> Path:
        folder = base / "made_once" / name
        folder.parent.mkdir(exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                partial = Path(tempfile.mkdtemp(dir=folder.parent))
                make(partial)
                partial.rename(folder)
        return folder

    return get


@pytest.fixture(scope="session")
def engine_run(made_once, engine_vocabulary) -> Path:
    """A run's folder as training leaves it, `data` and `checkpoints`, of the real engine with `engine_vocabulary`.

    The data are four rendered sounds of 0.4 s; the model is tiny, and its predictions lie near the init patch: with the
    table Hollow in oscillator 1, the shape Square Late in LFO 1, and LFO 1 on the volume. So each is audible.
    """
    return made_once("engine_run", lambda folder: _write_engine_run(folder, engine_vocabulary))


def _write_engine_run(folder: Path, vocabulary) -> None:
    from vjax.data.shard import log_mel
    from vjax.data.store import open_dataset
    from vjax.model.inverse import InverseModel, model_config
    from vjax.training.checkpoint import Checkpoints, make_meta
    from vjax.training.state import OptimizerConfig, create_state, make_optimizer

    schema = vocabulary.schema()
    _write_engine_rows(folder / "data" / "shard-00000.h5", schema, vocabulary, log_mel)
    info = open_dataset(folder / "data")
    config = model_config(schema, True, width=4, stage_sizes=(1, 1), mod_embed_dim=4)
    state = create_state(InverseModel(config), make_optimizer(OptimizerConfig(), 10), 0, info.mel_shape)
    state = state.replace(params=_near_the_init_patch(state.params, schema), step=np.int32(3))
    with Checkpoints(folder / "checkpoints") as checkpoints:
        checkpoints.save(state, make_meta(info, config, tier=3, settings={}), val_loss=1.0)


def _write_engine_rows(path: Path, schema: Schema, vocabulary, log_mel: Callable) -> None:
    from vjax.audio.mel import MelConfig
    from vjax.engine.config import RenderConfig
    from vjax.engine.pool import RenderJob, RenderPool
    from vjax.vital.vocabulary import from_parameters

    notes = (48, 55, 60, 64)
    rows = [schema.default_parameters() for _ in notes]
    for i, row in enumerate(rows):
        row.categorical[schema.position["osc_1_wavetable"]] = i % 3
        row.continuous[schema.position["env_1_sustain"]] = 0.3 + 0.2 * i
    render = dict(RENDER, seconds=0.4, note_s=0.3)
    presets = [from_parameters(row, schema, vocabulary) for row in rows]
    with RenderPool(RenderConfig(**render), workers=2) as pool:
        jobs = (RenderJob(preset, (note,)) for preset, note in zip(presets, notes, strict=True))
        audio = np.concatenate([rendering.audio for rendering in pool.map(jobs)])
    arrays = {
        "params/continuous": np.stack([row.continuous for row in rows]),
        "params/categorical": np.stack([row.categorical for row in rows]),
        "modulation/index": np.stack([row.route_index for row in rows]),
        "modulation/value": np.stack([row.route_value for row in rows]),
        "features/mel_spectrogram": log_mel(audio, MelConfig(**MEL))[:, None],
        "metadata/midi_note": np.array(notes, np.int32),
        "metadata/preset_hash": np.arange(len(notes)),
    }
    attributes = {"tier": 3, "mel": MEL, "generator_version": "test", "render": render}
    write_shard(path, schema, arrays, attributes | {"catalog": vocabulary.to_json_string()})


def _near_the_init_patch(params: dict, schema: Schema) -> dict:
    """`params` with biases that give the init patch, and with little influence of the input."""
    default = schema.default_parameters()
    default.categorical[schema.position["osc_1_wavetable"]] = 1
    default.categorical[schema.position["lfo_1_shape"]] = 1
    norm = np.clip(default.continuous, 0.002, 0.998)
    menus = [6.0 * np.eye(n)[option] for n, option in zip(schema.option_counts, default.categorical, strict=True)]
    source, destination = (np.zeros((len(names), 4)) for names in (schema.sources, schema.destinations))
    source[schema.sources.index("lfo_1"), 0] = destination[schema.destinations.index("osc_1_level"), 0] = 1
    biases = {
        ("continuous_head", "Dense_2"): np.log(norm / (1 - norm)),
        ("categorical_head", "Dense_0"): np.concatenate(menus),
        ("modulation_head", "source"): source.ravel(),
        ("modulation_head", "destination"): destination.ravel(),
    }
    for (head, layer), bias in biases.items():
        params[head][layer] = {"bias": bias.astype(np.float32), "kernel": 0.1 * params[head][layer]["kernel"]}
    bilinear = np.zeros((4, 4, 4), np.float32)
    bilinear[0, 0, 0] = -0.4
    params["modulation_head"]["bilinear"] = bilinear
    return params


@pytest.fixture(scope="session")
def tone() -> Callable[..., np.ndarray]:
    """`tone(hz, seconds=0.4, sample_rate=44100)`: [1, samples] float32, a sawtooth's first partials, fading out."""

    def make(hz: float, seconds: float = 0.4, sample_rate: int = 44100) -> np.ndarray:
        t_s = np.arange(round(seconds * sample_rate)) / sample_rate
        partials = sum(np.sin(2 * np.pi * k * hz * t_s) / k for k in range(1, 6))
        return (0.3 * partials * np.exp(-3 * t_s))[None].astype(np.float32)

    return make


@pytest.fixture(scope="session")
def interruptible() -> Callable[..., list]:
    """`interruptible(program, *arguments)`: the same command, in a process that SIGINT and SIGHUP reach.

    A shell starts background jobs with SIGINT ignored, and `nohup` with SIGHUP. Their children inherit that: the
    suite's among them.
    """
    program = (
        "import os, signal, sys; [signal.signal(s, signal.SIG_DFL) for s in (signal.SIGINT, signal.SIGHUP)]; "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    return lambda *command: [sys.executable, "-c", program, *command]


@pytest.fixture(scope="module")
def cluster():
    """A Ray cluster on this machine: a head without a CPU, and two nodes of one each."""
    if "ray" in MISSING:
        pytest.skip("Ray is not installed; get it with `make test EXTRAS=dev,full`")
    import ray  # takes a second
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="session")
def start_browser() -> Callable:
    """`start_browser(folder, *flags)`: a real browser, with a log of its console and of what it fetches.

    `folder` gets its profile and its downloads.
    """
    chromium, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if not (chromium and driver):
        reason = "no chromium and chromedriver found; apt-get install chromium chromium-driver"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)

    def start(folder: Path, *flags: str):
        from selenium import webdriver  # here: few tests need it

        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        always = "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking"
        for flag in (*always.split(), "disable-component-update", "disable-sync", *flags):
            options.add_argument(f"--{flag}")
        options.add_argument(f"--user-data-dir={folder / 'profile'}")
        options.add_experimental_option("prefs", {"download.default_directory": str(folder / "downloads")})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))

    return start


@pytest.fixture(scope="module")
def browser(start_browser, tmp_path_factory):
    """A browser for the tests of pages."""
    browser = start_browser(tmp_path_factory.mktemp("browser"), "window-size=1300,1000")
    yield browser
    browser.quit()

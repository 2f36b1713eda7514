"""The contents of the images."""

from __future__ import annotations

import json

import pytest

from tests.servers.containers import CONTAINED, IMAGES, TAG, Images
from tests.servers.docker import Engine

# The images are built before the first test.
pytestmark = pytest.mark.timeout(1200)

# The size in MB that an image may add to its base.
LIMITS_MB = {"auth": 100, "console": 125, "upload": 120, "gateway": 10, "images": 110}
COMPILERS = ("cc", "gcc", "g++", "clang", "make", "ld", "cargo", "pip", "pip3")
_DISTRIBUTIONS = """
import importlib.metadata, json
print(json.dumps(sorted(d.name.lower() for d in importlib.metadata.distributions())))
"""
_MODULES = """
import importlib.util, json, sys
print(json.dumps([name for name in sys.argv[1:] if importlib.util.find_spec(name)]))
"""


def name_of(images: Images, service: str) -> str:
    return str(getattr(images, service))


def python(engine: Engine, image: str, script: str, *words: str) -> list[str]:
    """Run a script in the image, with the image's usual limits, and return its JSON list."""
    command = ("run", "--rm", "--network", "none", *CONTAINED, "--entrypoint", "python3", image)
    return list(json.loads(engine(*command, "-c", script, *words)))


@pytest.mark.parametrize("service", IMAGES)
def test_an_image_is_small(engine: Engine, images: Images, service: str) -> None:
    """An image adds little to its base, which other images share."""
    base = images.nginx_base if service == "gateway" else images.python_base
    image = name_of(images, service)
    added = engine.inspect(image)["Size"] - engine.inspect(base)["Size"]
    assert 0 < added < LIMITS_MB[service] * 1_000_000, f"{image} adds {added / 1e6:.1f} MB"


@pytest.mark.parametrize("service", IMAGES)
def test_buildkit_builds_where_it_is(engine: Engine, images: Images, service: str) -> None:
    """An image is built by BuildKit if the client has BuildKit, and otherwise by the engine."""
    has_buildkit = engine.try_out("buildx", "version").returncode == 0
    comments = engine("history", "--format", "{{.Comment}}", name_of(images, service))
    assert ("buildkit" in comments) == has_buildkit


@pytest.mark.parametrize("service", IMAGES)
def test_an_image_is_of_debian_13(engine: Engine, images: Images, service: str) -> None:
    """Every image has Debian 13 with Python 3.13."""
    script = (
        "import json, platform, sys; release = platform.freedesktop_os_release()\n"
        "print(json.dumps([release['ID'], release['VERSION_ID'], *map(str, sys.version_info[:2])]))"
    )
    assert python(engine, name_of(images, service), script) == ["debian", "13", "3", "13"]


def test_the_gateway_has_the_nginx_of_debian_13(engine: Engine, images: Images) -> None:
    """The gateway has nginx 1.26 or newer."""
    command = ("run", "--rm", "--network", "none", *CONTAINED, "--entrypoint", "nginx")
    said = engine.try_out(*command, images.gateway, "-v").stderr
    version = tuple(map(int, said.partition("nginx/")[2].split()[0].split(".")))
    assert version >= (1, 26)


@pytest.mark.parametrize("service", IMAGES)
def test_an_image_says_how_it_is_run(engine: Engine, images: Images, service: str) -> None:
    """Every image sets a numeric user, TERM, a health check, and descriptive labels."""
    config = engine.inspect(name_of(images, service))["Config"]
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert config["Cmd"] == ["serve"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == f"wharf-{service}"
    assert labels["org.opencontainers.image.version"] == TAG
    assert len(labels["org.opencontainers.image.revision"]) in {7, 40}
    assert labels["org.opencontainers.image.description"]


@pytest.mark.parametrize("service", IMAGES)
def test_nothing_in_an_image_builds_or_becomes_root(
    engine: Engine, images: Images, service: str
) -> None:
    """No image has a compiler, an installer of Python packages, or a setuid program."""
    script = (
        f"for name in {' '.join(COMPILERS)}; do command -v $name; done; "
        "find / -xdev -type f -perm /6000 2>/dev/null; python3 -c 'import pip' 2>/dev/null && "
        "echo pip; find / -xdev -name 'pip-*.whl' 2>/dev/null; true"
    )
    command = ("run", "--rm", "--network", "none", *CONTAINED, "--entrypoint", "sh")
    assert engine(*command, name_of(images, service), "-c", script) == ""


@pytest.mark.parametrize(
    ("service", "own"),
    [
        ("auth", ["kept_sockets", "servicekit", "wharf_auth", "argon2"]),
        ("console", ["kept_sockets", "servicekit", "wharf_console", "flask_wtf"]),
        ("images", ["kept_sockets", "servicekit", "wharf_images", "PIL"]),
        (
            "upload",
            ["kept_sockets", "servicekit", "wharf_upload", "boto3", "inotify_simple", "socketio"],
        ),
        ("gateway", ["kept_sockets", "socket_guard", "wharf_gateway"]),
    ],
)
def test_an_image_has_its_own_packages_alone(
    engine: Engine, images: Images, service: str, own: list[str]
) -> None:
    """Every image has only its own service's code and dependencies."""
    libraries = ("kept_sockets", "servicekit", "socket_guard")
    services = ("wharf_auth", "wharf_console", "wharf_images", "wharf_upload")
    asked = (*libraries, *services, "wharf_gateway", "wharf_native")
    single = ("argon2", "boto3", "flask_wtf", "inotify_simple", "PIL", "pypdfium2", "socketio")
    others = (*single, "pytest", "flit_core", "flask")
    found = python(engine, name_of(images, service), _MODULES, *asked, *others)
    assert sorted(found) == sorted([*own, *(["flask"] if service != "gateway" else [])])


def test_pages_find_their_scripts(engine: Engine, images: Images) -> None:
    """The gateway has all files that the console names, and no records of the files' build."""
    script = (
        "import json; from wharf_console.web.assets import DIST\n"
        "names = json.loads((DIST / 'manifest.json').read_text())\n"
        "assert all((DIST / name).is_file() for name in names.values())\n"
        "print(json.dumps([*names, *names.values()]))"
    )
    named = python(engine, images.console, script)
    assert {"console.js", "console.css", "uploads.js", "redoc.js"} <= set(named)
    script = "import json, os; print(json.dumps(os.listdir('/opt/wharf/console')))"
    served = python(engine, images.gateway, script)
    assert set(named[len(named) // 2 :]) <= set(served)
    assert not [name for name in served if name.endswith(".json")]


@pytest.mark.parametrize("service", ["auth", "console", "images", "upload"])
def test_what_is_installed_is_what_is_locked(engine: Engine, images: Images, service: str) -> None:
    """Each installed package is in the service's lock file, or is Wharf's own."""
    with open(f"requirements/{service}.txt", encoding="utf-8") as lock:
        locked = {line.partition("==")[0] for line in lock if line[0].isalpha()}
    found = set(python(engine, name_of(images, service), _DISTRIBUTIONS))
    ours = {"wharf-kept-sockets", "wharf-servicekit", f"wharf-{service}"}
    assert {name.replace("_", "-") for name in found} - ours <= locked
    assert ours <= found


@pytest.mark.parametrize("service", IMAGES)
def test_no_address_of_the_builder_is_in_an_image(
    engine: Engine, images: Images, service: str
) -> None:
    """The address of the package index is neither in the history of an image nor in its files."""
    image = name_of(images, service)
    base = images.nginx_base if service == "gateway" else images.python_base
    inherited = set(engine("history", "--no-trunc", "--format", "{{.CreatedBy}}", base).split())
    history = engine("history", "--no-trunc", "--format", "{{.CreatedBy}}", image).split()
    assert not [word for word in history if "://" in word and word not in inherited]
    script = (
        "cat /etc/pip.conf /root/.config/pip/pip.conf /root/.pip/pip.conf 2>/dev/null; "
        "ls /opt/wharf/*.whl /wheels /build 2>/dev/null; true"
    )
    command = ("run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "sh")
    assert engine(*command, image, "-c", script) == ""


@pytest.mark.parametrize(
    ("service", "setting", "line"),
    [
        ("auth", "WHARF_TOKEN_TTL_SECONDS=1", "WHARF_TOKEN_TTL_SECONDS='1'"),
        ("auth", "WHARF_KEYS=/nowhere", "/nowhere"),
        ("console", "WHARF_CONSOLE_DOOR=gateway", "WHARF_CONSOLE_DOOR='gateway'"),
        ("console", "WHARF_CONSOLE_SESSIONS=memory", "WHARF_CONSOLE_SESSIONS"),
        ("images", "WHARF_IMAGES_WORKERS=many", "WHARF_IMAGES_WORKERS='many'"),
        ("upload", "WHARF_MAX_FILE_BYTES=many", "WHARF_MAX_FILE_BYTES='many'"),
        ("upload", "WHARF_INSTANCE=../x", "WHARF_INSTANCE='../x'"),
        ("gateway", "WHARF_MAX_BODY_BYTES=1g", "WHARF_MAX_BODY_BYTES='1g'"),
        ("gateway", "WHARF_AUTH_SOCKET=a b; c", "WHARF_AUTH_SOCKET='a b; c'"),
        ("gateway", "WHARF_CONSOLE_DOOR=gateway:1", "WHARF_CONSOLE_DOOR='gateway:1'"),
        ("gateway", "WHARF_LIVE_SOCKET=here", "WHARF_LIVE_SOCKET='here'"),
        ("gateway", "WHARF_IMAGES_SOCKET=here", "WHARF_IMAGES_SOCKET='here'"),
        ("gateway", "WHARF_SOCKETS=here", "WHARF_SOCKETS='here'"),
        ("gateway", "WHARF_HOST=gateway", "WHARF_HOST='gateway'"),
    ],
)
def test_a_wrong_setting_ends_the_container_with_one_line(
    engine: Engine, images: Images, service: str, setting: str, line: str
) -> None:
    """A wrong setting ends the container with one line that names the variable and its value."""
    data = ("--tmpfs", "/data:uid=10001,gid=10001,mode=0700")
    done = engine.try_out(
        *("run", "--rm", "--network", "none", *CONTAINED, *data, "--env", setting),
        *("--env", "WHARF_SERVE_PREPARES=true", name_of(images, service)),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    said = [one for one in done.stderr.splitlines() if one.strip()]
    assert len(said) == 1, done.stderr
    assert line in said[0]


def test_the_sandbox_holds_in_a_container(engine: Engine, images: Images) -> None:
    """The image process has its sandbox even under the engine's own filter of system calls."""
    command = ("run", "--rm", "--network", "none", *CONTAINED, images.images, "check")
    said = engine(*command)
    assert "seccomp: filters" in said
    assert "picture: made in the sandbox" in said


def test_the_balancers_configuration_is_taken(engine: Engine, images: Images) -> None:
    """The gateway's nginx accepts deploy/nginx/balancer.conf without a warning."""
    folder = "/opt/wharf/deploy/nginx"
    settings = ("WHARF_TRUSTED_PROXIES=192.0.2.7,2001:db8::/32", "WHARF_PROXY_HEADER=PROXY")
    environ = [f"--env={one}" for one in (*settings, f"BALANCER_CONF={folder}/balancer.conf")]
    command = ("run", "--rm", "--network", "none", *CONTAINED, *environ, "--entrypoint", "sh")
    done = engine.try_out(*command, images.gateway, f"{folder}/balancer.sh", "-t", "-q")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("service", IMAGES)
def test_without_a_volume_it_says_so(engine: Engine, images: Images, service: str) -> None:
    """A read-only root without a volume ends the container with one line and no traceback."""
    done = engine.try_out("run", "--rm", "--network", "none", *CONTAINED, name_of(images, service))
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr or "read-only" in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr

#!/bin/sh
# build.sh: builds wharf-auth, wharf-console, wharf-images, wharf-upload and wharf-gateway;
# `make images` calls it.
#
#   WHARF_VERSION     the images' tag; default dev
#   BASE_IMAGE        Python for the services; default python:3.13-slim
#   NGINX_BASE_IMAGE  nginx for the gateway; default nginx:1.30
#   BASES=debian      make the base images from Debian 13's packages (debian_base.sh); needs root
#   STORE=yes         also build wharf-store, the object store for trying in compose's profile s3
#   STORE_BASE_IMAGE  base image of wharf-store; default debian:13-slim
#   WHARF_IMAGES_EXTRA  pdf: wharf-images also makes pictures of the first pages of PDFs
#   WHARF_IMAGE_CACHE folder that caches wheels and base systems; default build/cache
#   PYTHON            a Python of this machine with pip; default .venv/bin/python
#
# The script first downloads the packages with this machine's pip and its index, proxy and certificates,
# and passes them to the build as files. So the build needs no network, and no address gets into an
# image. The script also builds the console's scripts; if Node cannot be downloaded, the last line says
# that the images have no scripts.
set -eu
cd "$(dirname "$0")/../.."
tag=${WHARF_VERSION:-dev}
python=${PYTHON:-.venv/bin/python}
WHARF_IMAGE_CACHE=${WHARF_IMAGE_CACHE:-$PWD/build/cache}
export WHARF_IMAGE_CACHE

say() {
    echo "images: $1"
}

stop() {
    echo "images: $1" >&2
    exit 1
}

# debian_base KIND: prints the name of the image wharf-base-KIND, and makes the image if it is missing.
debian_base() {
    image=wharf-base-$1:$(sh deploy/images/debian_base.sh tag)
    if ! docker image inspect "$image" >/dev/null 2>&1; then
        file=$(sh deploy/images/debian_base.sh "$1")
        docker import "$file" "$image" >/dev/null
    fi
    echo "$image"
}

# there IMAGE VARIABLE: pulls a base image that is missing; stops with one line if that fails.
there() {
    docker image inspect "$1" >/dev/null 2>&1 || docker pull "$1" ||
        stop "there is no image $1; name another ($2=...), or make it from Debian's packages (BASES=debian)"
}

# build NAME DOCKERFILE ARGUMENT...
build() {
    name=$1 file=$2
    shift 2
    say "building wharf-$name:$tag"
    docker build --network "${network:-none}" --file "$file" --tag "wharf-$name:$tag" \
        --build-arg "VERSION=$tag" --build-arg "REVISION=$revision" "$@" . >build/log 2>&1 || {
        cat build/log >&2
        stop "wharf-$name could not be built; its output is above"
    }
}

# Without the plugin the client can use only the engine's own builder.
docker buildx version >/dev/null 2>&1 || export DOCKER_BUILDKIT=0
docker info >/dev/null 2>&1 || stop 'no Docker engine responds (docker info); start one first'
if [ "${BASES:-}" = debian ]; then
    [ "$(id -u)" = 0 ] || stop 'BASES=debian needs root, for debootstrap'
    BASE_IMAGE=$(debian_base python)
    NGINX_BASE_IMAGE=$(debian_base nginx)
fi
BASE_IMAGE=${BASE_IMAGE:-python:3.13-slim}
NGINX_BASE_IMAGE=${NGINX_BASE_IMAGE:-nginx:1.30}
there "$BASE_IMAGE" BASE_IMAGE
there "$NGINX_BASE_IMAGE" NGINX_BASE_IMAGE
about=$(docker run --rm --interactive --network none --entrypoint python3 "$BASE_IMAGE" - \
    <deploy/images/about_python.py) || stop "$BASE_IMAGE has no python3"
mkdir -p build
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)

# With `--strict` the tool retries a build that failed in the last hour, and its failure is repeated in
# the last line.
scripts=yes
"$python" services/console/tools/build_assets.py --strict || scripts=

# The wheels are in the build context only during the builds: a later build for another Python would not
# find its own wheels among them.
trap 'rm -rf build/wheels' EXIT
trap 'exit 130' HUP INT TERM
for name in auth console images upload; do
    extra=
    if [ "$name" = images ]; then extra=${WHARF_IMAGES_EXTRA:-}; fi
    wheels=$WHARF_IMAGE_CACHE/wheels/$name${extra:+-$extra}
    echo "$about" | "$python" deploy/images/wheels.py "$name${extra:+-$extra}" "$wheels"
    mkdir -p "build/wheels/$name"
    cp "$wheels"/*.whl "build/wheels/$name/"
    build "$name" services/Dockerfile --build-arg "SERVICE=$name" --build-arg "EXTRA=$extra" \
        --build-arg "BASE_IMAGE=$BASE_IMAGE"
done
build gateway deploy/nginx/Dockerfile --build-arg "BASE_IMAGE=$NGINX_BASE_IMAGE" \
    --build-arg "PYTHON_IMAGE=$BASE_IMAGE"
built='auth console images upload gateway'
if [ "${STORE:-}" = yes ]; then
    built="$built store"
    if [ "${BASES:-}" = debian ]; then
        STORE_BASE_IMAGE=$(debian_base store)
    fi
    # If the base has no Ceph, the build installs it from the base's package archive.
    network=default
    build store deploy/store/Dockerfile --build-arg "BASE_IMAGE=${STORE_BASE_IMAGE:-debian:13-slim}"
fi
for name in $built; do
    bytes=$(docker image inspect --format '{{.Size}}' "wharf-$name:$tag")
    say "wharf-$name:$tag has $((bytes / 1000000)) MB"
done
[ -n "$scripts" ] || say "WARNING: wharf-console:$tag and wharf-gateway:$tag have NO SCRIPTS; the reason is in the \
first lines. Pages work without scripts, and people upload through plain forms." >&2

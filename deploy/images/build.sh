#!/bin/sh
# build.sh: builds wharf-auth, wharf-console, wharf-images, wharf-upload and wharf-gateway;
# `make images` calls it.
#
#   WHARF_VERSION     the images' tag; default dev
#   BASE_IMAGE        Python for the services; default python:3.13-slim
#   NGINX_BASE_IMAGE  nginx for the gateway; default nginx:1.30
#   BASES=debian      make the bases of Debian 13's packages instead (debian_base.sh); needs root
#   STORE=yes         build wharf-store, too: the object store for trying of compose's profile s3
#   STORE_BASE_IMAGE  its base; default debian:13-slim
#   WHARF_IMAGES_EXTRA  pdf: wharf-images makes pictures of the first pages of PDFs, too
#   WHARF_IMAGE_CACHE where what takes long is kept; default build/cache
#   PYTHON            of this machine, with pip; default .venv/bin/python
#
# The packages come here first, by this machine's pip with its own index, proxy and certificates, and
# go into the build as files: so the build itself asks nobody, and no address gets into an image. The
# console's scripts are built here, too; where Node cannot be had, the last line says that there are none.
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

# debian_base KIND: the image wharf-base-KIND, made unless it is there already.
debian_base() {
    image=wharf-base-$1:$(sh deploy/images/debian_base.sh tag)
    if ! docker image inspect "$image" >/dev/null 2>&1; then
        file=$(sh deploy/images/debian_base.sh "$1")
        docker import "$file" "$image" >/dev/null
    fi
    echo "$image"
}

# A base image that is neither here nor to be had is said in one line.
there() {
    docker image inspect "$1" >/dev/null 2>&1 || docker pull "$1" ||
        stop "there is no image $1; name another ($2=...), or make it of Debian's packages (BASES=debian)"
}

# build NAME DOCKERFILE ARGUMENT...
build() {
    name=$1 file=$2
    shift 2
    say "building wharf-$name:$tag"
    docker build --network "${network:-none}" --file "$file" --tag "wharf-$name:$tag" \
        --build-arg "VERSION=$tag" --build-arg "REVISION=$revision" "$@" . >build/log 2>&1 || {
        cat build/log >&2
        stop "wharf-$name could not be built; what it said is above"
    }
}

# Without its plugin the client can use the engine's own builder only.
docker buildx version >/dev/null 2>&1 || export DOCKER_BUILDKIT=0
docker info >/dev/null 2>&1 || stop 'no Docker engine answers (docker info); start one first'
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

# `--strict`: what failed an hour ago is tried again, and what fails is said once more at the end.
scripts=yes
"$python" services/console/tools/build_assets.py --strict || scripts=

# They are in the context for the time of the builds: another Python would find none of its own there.
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
    # A base without Ceph takes it from its own package archive.
    network=default
    build store deploy/store/Dockerfile --build-arg "BASE_IMAGE=${STORE_BASE_IMAGE:-debian:13-slim}"
fi
for name in $built; do
    bytes=$(docker image inspect --format '{{.Size}}' "wharf-$name:$tag")
    say "wharf-$name:$tag has $((bytes / 1000000)) MB"
done
[ -n "$scripts" ] || say "WARNING: wharf-console:$tag and wharf-gateway:$tag have NO SCRIPTS; why is in the \
first lines. Pages work without them, uploads go through plain forms." >&2

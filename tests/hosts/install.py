"""Builds packages and installs them from their artefacts into empty projects."""

import functools
import json
import shutil

import build
from machine import TARGET, run


def emptied(place):
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)


def node(library, place, *others):
    """The tarball, and other packages of npm's registry, into node_modules."""
    emptied(place)
    tarball = build.build("node", library, place / "packages")
    (place / "package.json").write_text("{}", encoding="utf-8")
    quietly = ["--ignore-scripts", "--no-audit", "--no-fund"]
    run("npm", "install", *quietly, tarball, *others, cwd=place)


def php(library, place):
    """The archive, by Composer. Gives its autoloader."""
    emptied(place)
    archive = build.build("php", library, place / "packages")
    repositories = [{"packagist.org": False}, {"type": "artifact", "url": str(archive.parent)}]
    project = {"repositories": repositories, "require": {"cotas/cotas": "*"}}
    (place / "composer.json").write_text(json.dumps(project), encoding="utf-8")
    run("composer", "install", "--quiet", "--no-interaction", cwd=place,
        COMPOSER_ALLOW_SUPERUSER="1", COMPOSER_CACHE_DIR=str(place / "cache"))  # fmt: skip
    return place / "vendor" / "autoload.php"


def ruby(library, home):
    """The gem, into a home of gems."""
    emptied(home)
    gem = build.build("ruby", library, home / "packages")
    run("gem", "install", "--quiet", "--local", "--no-document", "--install-dir", home, gem)


@functools.cache
def go_proxy():
    """The module, in the folder of a proxy: the environment that has the go command use it."""
    proxy = build.build("go", TARGET, TARGET / "go" / "packages")
    settings = {"GOPROXY": proxy.as_uri(), "GONOSUMDB": "*", "GOFLAGS": "-buildvcs=false -mod=mod",
                "GOMODCACHE": str(TARGET / "go-modules")}  # fmt: skip
    run("go", "clean", "-modcache", **settings)
    return settings


def go(place, name, *sources, edits=()):
    """Compiles a program in a place of its own, into which the module is installed."""
    emptied(place)
    for source in sources:
        shutil.copy(source, place)
    if not (place / "go.mod").exists():
        run("go", "mod", "init", f"example.com/{name}", cwd=place, **go_proxy())
    for edit in edits:
        run("go", "mod", "edit", edit, cwd=place, **go_proxy())
    run("go", "get", "cotas.local/cotas@v0.1.0", cwd=place, **go_proxy())
    run("go", "build", "-o", "program", ".", cwd=place, **go_proxy())
    return place / "program"

#!/usr/bin/env bash
# Installs the interpreters and compilers that the tests of other languages use, where they are
# missing and apt is there. What it cannot install the tests name, and skip or fail.
set -euo pipefail

# A command or a pattern of files, and the package that brings it.
wanted=(gcc:gcc g++:g++ valgrind:valgrind spin:spin php:php-cli "/usr/sbin/php-fpm*:php-fpm"
    composer:composer "/usr/share/doc/php*-zip:php-zip" /usr/share/php/Illuminate/Http:php-illuminate-http
    /usr/share/php/Illuminate/Routing:php-illuminate-routing
    /usr/share/php/Illuminate/Config:php-illuminate-config
    /usr/share/php/Illuminate/Events:php-illuminate-events
    /usr/share/doc/ruby-sidekiq:ruby-sidekiq /usr/share/doc/ruby-railties:ruby-railties
    ruby:ruby puma:puma rackup:ruby-rack go:golang-go luajit:luajit2 nginx:nginx-light
    node:nodejs npm:npm chromium:chromium javac:default-jdk-headless
    /usr/share/java/jna.jar:libjna-java /usr/share/java/gson.jar:libgoogle-gson-java
    /usr/lib/nginx/modules/ngx_http_lua_module.so:libnginx-mod-http-lua
    /usr/share/lua/5.1/cjson/util.lua:lua-cjson)
packages=()
for pair in "${wanted[@]}"; do
    wants=${pair%%:*}
    compgen -G "$wants" > /dev/null || command -v "$wants" > /dev/null || packages+=("${pair#*:}")
done
if [ ${#packages[@]} -eq 0 ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then
    echo "missing: ${packages[*]}; install them as root, with the system's own tool" >&2
    exit 1
fi
# Run level 1: nginx is installed, not started.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}" > /dev/null

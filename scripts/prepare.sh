# Sourced by scripts/test and scripts/quickstart: what both need before anything of ours can run.
# shellcheck shell=bash

# Says plainly what is missing; returns 1 unless Node is recent enough.
require_node() {
  if ! command -v node >/dev/null; then
    echo "mailtwin needs Node.js 20.19 or newer, and there is no 'node' in PATH." >&2
    echo "Install it (Debian 13: apt-get install nodejs npm; else https://nodejs.org) and run this again." >&2
    return 1
  fi
  if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
    echo "mailtwin needs Node.js 20.19 or newer; this is $(node --version) ($(command -v node))." >&2
    return 1
  fi
  if ! command -v npm >/dev/null; then
    echo "mailtwin needs npm to install its dependencies, and there is no 'npm' in PATH." >&2
    return 1
  fi
}

# Installs the locked dependencies unless they are there already.
install_dependencies() {
  node scripts/deps-current.mjs || npm ci --no-audit --no-fund --loglevel=error
}

#!/usr/bin/env python3
"""Packs Swagger UI for the daemon: pack.py PACKAGE OWN OUT

PACKAGE is the folder of npm's swagger-ui-dist, OWN that of our initializer.js. Writes OUT/swagger_assets.cpp, which
includes the files, plain and gzip-compressed, as they are written beside it. The same input gives the same output."""
import gzip
import hashlib
import json
import pathlib
import re
import sys

TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".png": "image/png",
         ".html": "text/html; charset=utf-8", "": "text/plain; charset=utf-8"}
NAMES = ["swagger-ui.css", "index.css", "swagger-ui-bundle.js", "favicon-16x16.png", "favicon-32x32.png",
         "oauth2-redirect.js", "LICENSE", "NOTICE"]
REDIRECT = ('<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Swagger UI: OAuth2</title></head>\n'
            '<body><script src="?asset=oauth2-redirect.js"></script></body>\n</html>\n')


def collect(package: pathlib.Path, own: pathlib.Path) -> dict[str, bytes]:
    files = {name: (package / name).read_bytes() for name in NAMES if (package / name).is_file()}
    missing = {"swagger-ui.css", "swagger-ui-bundle.js"} - files.keys()
    if missing:
        sys.exit(f"pack.py: {package} lacks {', '.join(sorted(missing))}: is it npm's swagger-ui-dist?")
    for name, text in files.items():
        if name.endswith((".js", ".css")):  # the maps stay outside
            files[name] = re.sub(rb"(?m)^(//|/\*)# sourceMappingURL=.*$\n?", b"", text)
    files["initializer.js"] = (own / "initializer.js").read_bytes()
    files["oauth2-redirect.html"] = REDIRECT.encode()
    return dict(sorted(files.items()))


def main(package: str, own: str, out: str) -> None:
    folder = pathlib.Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    version = json.loads((pathlib.Path(package) / "package.json").read_text())["version"]
    data, entries, names = [], [], []

    def include(content: bytes) -> str:
        symbol = f"sluice_swagger_{len(data)}"
        path = folder / f"{symbol}.bin"
        path.write_bytes(content)
        data.append(f'__asm__(".pushsection .rodata.sluice_swagger,\\"a\\",@progbits\\n"\n'
                    f'        ".balign 16\\n.hidden {symbol}\\n.globl {symbol}\\n{symbol}:\\n"\n'
                    f'        ".incbin \\"{path.as_posix()}\\"\\n.popsection\\n");\n'
                    f'extern "C" __attribute__((visibility("hidden"))) const char {symbol}[];\n')
        return f"{{{symbol}, {len(content)}}}"

    for name, content in collect(pathlib.Path(package), pathlib.Path(own)).items():
        packed = gzip.compress(content, 9, mtime=0)
        etag = hashlib.sha256(content).hexdigest()[:20]
        plain = include(content)
        compressed = include(packed) if len(packed) < len(content) * 0.9 else "{}"
        kind = TYPES[pathlib.PurePath(name).suffix]
        names.append(name)
        entries.append(f'    {{"{name}", "{kind}", "{etag}", {plain}, {compressed}}},')
    text = ('// Made by cmake/swagger-ui/pack.py.\n#include "integrations/swagger/assets.hpp"\n\n' + "".join(data) +
            '\nnamespace sluice::integrations {\n\nstd::span<const SwaggerAsset> swagger_assets() noexcept {\n'
            f'  static const SwaggerAsset assets[] = {{\n' + "\n".join(entries) +
            '\n  };\n  return assets;\n}\n\n'
            f'std::string_view swagger_ui_version() noexcept {{ return "{version}"; }}\n\n'
            '}  // namespace sluice::integrations\n')
    (folder / "swagger_assets.cpp").write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:])

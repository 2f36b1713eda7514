// Bundles the console's scripts and styles; build_assets.py runs it.
//
//     node bundle.mjs SOURCE MODULES OUTPUT
//
// SOURCE is static/src, MODULES the folder node_modules, OUTPUT an empty folder. Every file in OUTPUT
// has a digest in its name, except manifest.json, which maps names to files.
import { readFileSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";

const [source, modules, output] = process.argv.slice(2);
const { build } = createRequire(join(modules, "package.json"))("esbuild");

const ENTRIES = [
  "console.js",
  "console.css",
  "uploads.js",
  "examples.js",
  "examples.css",
  "reference.js",
  "reference.css",
];
// Third-party files that pages load unchanged, except addresses of other sites.
const COPIES = {
  "dropzone.js": "dropzone/dist/min/dropzone.min.js",
  "dropzone.css": "dropzone/dist/min/dropzone.min.css",
  "redoc.js": "redoc/bundles/redoc.standalone.js",
};
const ELSEWHERE = "https://cdn.redoc.ly/redoc/logo-mini.svg";
// esbuild keeps syntax that all these browsers support.
const BROWSERS = ["chrome111", "edge111", "firefox115", "safari16.4"];
const COMPRESSED = /\.(js|css|svg)$/;

// Pico embeds its icons as data: addresses, which the pages' CSP refuses, so this plugin makes files.
const icons = {
  name: "icons",
  setup(bundler) {
    const found = [];
    bundler.onLoad({ filter: /pico[^/]*\.css$/ }, ({ path }) => {
      const own = (_, svg) => `url("icon:${found.push(decodeURIComponent(svg)) - 1}")`;
      const contents = readFileSync(path, "utf8");
      return { contents: contents.replace(/url\("data:image\/svg\+xml,(.*?)"\)/g, own), loader: "css" };
    });
    bundler.onResolve({ filter: /^icon:/ }, ({ path }) => ({ path: `${path}.svg`, namespace: "icon" }));
    bundler.onLoad({ filter: /.*/, namespace: "icon" }, ({ path }) => ({
      contents: found[Number.parseInt(path.slice("icon:".length))],
      loader: "file",
    }));
  },
};

const result = await build({
  entryPoints: ENTRIES.map((name) => join(source, name)),
  nodePaths: [modules],
  outdir: output,
  bundle: true,
  splitting: true,
  format: "esm",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  target: BROWSERS,
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  assetNames: "icon-[hash]",
  metafile: true,
  plugins: [icons],
  logLevel: "error",
});

const manifest = {};
const files = Object.entries(result.metafile.outputs).map(([path, { entryPoint }]) => {
  // Parts that are loaded on demand have entry points too.
  if (entryPoint && ENTRIES.includes(basename(entryPoint))) {
    manifest[basename(entryPoint)] = basename(path);
  }
  return basename(path);
});
for (const [name, path] of Object.entries(COPIES)) {
  const content = readFileSync(join(modules, path), "utf8").replaceAll(ELSEWHERE, "data:,");
  const digest = createHash("sha256").update(content).digest("hex");
  const file = name.replace(".", `-${digest.slice(0, 8)}.`);
  writeFileSync(join(output, file), content);
  manifest[name] = file;
  files.push(file);
}
// Compressed files for gzip_static, so that nginx does not compress at the time of a request.
for (const file of files.filter((name) => COMPRESSED.test(name))) {
  writeFileSync(join(output, `${file}.gz`), gzipSync(readFileSync(join(output, file)), { level: 9 }));
}
writeFileSync(join(output, "manifest.json"), `${JSON.stringify(manifest, Object.keys(manifest).sort(), 2)}\n`);

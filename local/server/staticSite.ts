import fs from "node:fs";
import type http from "node:http";
import path from "node:path";

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".webmanifest": "application/manifest+json",
};

/** @throws Error if there is no built app in the folder */
export function checkSite(folder: string): void {
  if (!fs.existsSync(path.join(folder, "index.html")))
    throw new Error(`There is no built app in "${folder}": it has no index.html. Build it first.`);
}

/** Serves a built app: its files, and its page for every other path that a browser opens. */
export function serveFile(folder: string, urlPath: string, response: http.ServerResponse): void {
  const root = path.resolve(folder);
  const wanted = path.resolve(root, `.${decodeURIComponent(urlPath)}`);
  const isInside = wanted === root || wanted.startsWith(root + path.sep);
  const isFile = isInside && fs.existsSync(wanted) && fs.statSync(wanted).isFile();
  if (!isFile && path.extname(urlPath) !== "") {
    response.writeHead(404);
    return void response.end("Not found");
  }
  const file = isFile ? wanted : path.join(root, "index.html");
  // Hashed assets never change; the page and the service worker must be asked for each time.
  const isHashed = urlPath.startsWith("/assets/");
  response.writeHead(200, {
    "content-type": types[path.extname(file)] ?? "application/octet-stream",
    "cache-control": isHashed ? "public, max-age=31536000, immutable" : "no-cache",
  });
  fs.createReadStream(file).pipe(response);
}

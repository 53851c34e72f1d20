// The built pages on a loopback server, and a Chromium that opens them. Each subject has an origin of its own, so that
// what one stores is not in the way of another.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { build } from "vite";
import type { CDPSession, Page } from "playwright-core";
import { Profile } from "../../example/e2e/chromium.js";
import { largestSites } from "../../scripts/demoSites.js";

/** What takes longer does not run here. */
const mostMs = 3 * 60_000;
const outDir = "bench/out/client";
export const peersDir = "bench/client/peers";

/** Installs the peers once: nothing else in the project needs them. */
export function installPeers(): void {
  if (fs.existsSync(path.join(peersDir, "node_modules"))) return;
  console.error("Installing the peers into bench/client/peers…");
  // rxdb asks for a graphql that asks for Node 22; only its GraphQL replication uses it, which is not measured.
  const options = ["--ignore-scripts", "--engine-strict=false", "--loglevel", "error"];
  execFileSync("npm", ["ci", "--prefix", peersDir, ...options], { stdio: "inherit" });
}

/** @param pages - how each is called, and where its index.html is */
export async function buildPages(pages: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, root] of Object.entries(pages))
    await build({
      configFile: false,
      root,
      logLevel: "error",
      mode: "production",
      base: "./",
      define: { "process.env.NODE_ENV": '"production"' },
      build: {
        outDir: path.resolve(outDir, name),
        emptyOutDir: true,
        target: "es2022",
        chunkSizeWarningLimit: 4_000,
      },
    });
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

export interface Pages {
  /** @param subject - lower case, as the first part of a host's name; `device` keeps what it stores apart */
  urlOf(page: string, subject: string, device: string): string;
  close(): void;
}

/** Serves what was built, and so many places. */
export async function serve(count: number): Promise<Pages> {
  const places = JSON.stringify(largestSites(count));
  const server = http.createServer((request, response) => {
    // Isolated, as a page must be whose clock counts microseconds.
    response.setHeader("cross-origin-opener-policy", "same-origin");
    response.setHeader("cross-origin-embedder-policy", "require-corp");
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    if (pathname === "/places.json")
      return void response.setHeader("content-type", types[".json"]!).end(places);
    const file = path.join(outDir, path.normalize(pathname));
    if (!fs.existsSync(file) || fs.statSync(file).isDirectory()) return void response.writeHead(404).end();
    response.setHeader("content-type", types[path.extname(file)] ?? "application/octet-stream");
    fs.createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    urlOf: (page, subject, device) => `http://${subject}.${device}.localhost:${port}/${page}/index.html`,
    close: () => void server.close(),
  };
}

/** A device whose pages are opened one at a time. */
export class Device {
  readonly #profile = new Profile();
  #page: Page | null = null;

  open(): Promise<void> {
    return this.#profile.open();
  }

  /** A new process on what the last one left. */
  async restart(): Promise<void> {
    await this.#closePage();
    await this.#profile.kill();
    await this.#profile.open();
  }

  async remove(): Promise<void> {
    await this.#profile.remove();
  }

  /** Opens the page, and calls one function of its `window.bench`. The page stays open until the next call. */
  async run<Result>(url: string, name: string, ...args: readonly unknown[]): Promise<Result> {
    await this.#closePage();
    const page = await this.#profile.newPage();
    this.#page = page;
    page.on("pageerror", (error) => console.error(`In ${url}: ${error.message}`));
    page.setDefaultTimeout(0);
    await page.goto(url);
    await page.waitForFunction(() => "bench" in window);
    const found = page.evaluate(
      async ({ name, args }) => {
        const { bench } = window as unknown as { bench: Record<string, (...args: unknown[]) => unknown> };
        return bench[name]!(...args);
      },
      { name, args },
    );
    return Promise.race([found as Promise<Result>, this.#overdue(name)]);
  }

  /** Of the page that is open, after all garbage is collected: objects, and the bytes in buffers. In bytes. */
  async heap(): Promise<number> {
    const session: CDPSession = await this.#page!.context().newCDPSession(this.#page!);
    await session.send("HeapProfiler.enable");
    await session.send("HeapProfiler.collectGarbage");
    await session.send("HeapProfiler.collectGarbage");
    const usage = (await session.send("Runtime.getHeapUsage")) as {
      usedSize: number;
      backingStorageSize?: number;
    };
    await session.detach();
    return usage.usedSize + (usage.backingStorageSize ?? 0);
  }

  async #overdue(name: string): Promise<never> {
    await setTimeout(mostMs, undefined, { ref: false });
    throw new Error(`${name} had not ended after ${mostMs / 1000} s.`);
  }

  async #closePage(): Promise<void> {
    await this.#page?.close();
    this.#page = null;
  }
}

// A browser profile in a Chromium process of its own, so that a test can kill it as a user's device would die.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";

const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--remote-debugging-port=0",
];

/** Where Chromium is; null: not on this machine. */
export const chromiumPath = findChromium();

function findChromium(): string | null {
  const named = process.env["CHROMIUM_PATH"];
  if (named !== undefined) return named;
  for (const name of ["chromium", "chromium-browser", "google-chrome", "chrome"]) {
    try {
      return execFileSync("which", [name], { encoding: "utf8" }).trim();
    } catch {
      continue; // `which` fails for what is not there
    }
  }
  return null;
}

export interface ProfileOptions {
  /** Tabs behind the one in front are hidden, so they can be frozen; otherwise each thinks that it is in front. */
  readonly hidesTabs?: boolean;
  /** Beside the usual ones. */
  readonly flags?: readonly string[];
}

/** A profile's folder outlives its process: opened again it is the same device. */
export class Profile {
  readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), "fieldbook-profile-"));
  readonly #options: ProfileOptions;
  #process: ChildProcess | null = null;
  #browser: Browser | null = null;

  constructor(options: ProfileOptions = {}) {
    this.#options = options;
  }

  async open(): Promise<void> {
    if (chromiumPath === null)
      throw new Error("There is no Chromium: apt-get install chromium, or set CHROMIUM_PATH.");
    const portFile = path.join(this.folder, "DevToolsActivePort");
    fs.rmSync(portFile, { force: true });
    const { hidesTabs = false, flags: more = [] } = this.#options;
    const args = [...flags, ...more, `--user-data-dir=${this.folder}`, "about:blank"];
    this.#process = spawn(chromiumPath, args, { stdio: "ignore", detached: true });
    const [port] = (await contentOf(portFile)).split("\n");
    this.#browser = await chromium.connectOverCDP(`http://127.0.0.1:${port}`, { noDefaults: hidesTabs });
  }

  get browser(): Browser {
    if (this.#browser === null) throw new Error("The profile is not open.");
    return this.#browser;
  }

  get context(): BrowserContext {
    const [context] = this.browser.contexts();
    if (context === undefined) throw new Error("The browser has no profile.");
    return context;
  }

  newPage(): Promise<Page> {
    return this.context.newPage();
  }

  /** The whole browser dies, as with the power of a device. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child?.pid === undefined) return;
    this.#process = null;
    this.#browser = null;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    process.kill(-child.pid, "SIGKILL");
    await ended;
    fs.rmSync(path.join(this.folder, "SingletonLock"), { force: true });
  }

  async remove(): Promise<void> {
    await this.kill();
    fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function contentOf(file: string): Promise<string> {
  const end = Date.now() + 20_000;
  while (Date.now() < end) {
    const content = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
    if (content.includes("\n")) return content;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`Chromium did not open its debugging port: no ${file}.`);
}

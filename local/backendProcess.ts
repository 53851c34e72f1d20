// For tests: a backend in a process of its own, which can be killed.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { LookupFunction } from "node:net";
import path from "node:path";
import WebSocket from "ws";

export class BackendProcess {
  readonly #arguments: readonly string[];
  #port = 0;
  #siteUrl = "";
  #process: ChildProcess | null = null;
  /** Until it is up. */
  #starting: Promise<void> = Promise.resolve();
  #output = "";

  /**
   * @param data - the folder that keeps data and code from one life to the next
   * @param options - further ones of `local/main.ts`
   */
  constructor(data: string, ...options: string[]) {
    this.#arguments = ["--site-port", "0", "--data", data, ...options];
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get siteUrl(): string {
    return this.#siteUrl;
  }

  /** What this life has printed. */
  get output(): string {
    return this.#output;
  }

  /**
   * Opens sockets to the backend. While it is started again they wait for it, so that no client backs off for longer
   * and longer, as stock clients do for up to 16 seconds.
   */
  get webSocketConstructor(): typeof globalThis.WebSocket {
    const lookup: LookupFunction = (_host, { all }, found) =>
      void this.#starting.then(() =>
        all ? found(null, [{ address: "127.0.0.1", family: 4 }]) : found(null, "127.0.0.1", 4),
      );
    const PatientSocket = class extends WebSocket {
      constructor(url: string) {
        super(url.replace("127.0.0.1", "localhost"), { lookup } as WebSocket.ClientOptions); // addresses are not looked up
      }
    };
    return PatientSocket as unknown as typeof globalThis.WebSocket;
  }

  /** On the port of the life before. @throws Error with what it printed, if it does not come up */
  start(): Promise<void> {
    this.#starting = this.#start();
    return this.#starting;
  }

  /** Kills it, and starts it again. */
  restart(): Promise<void> {
    this.#starting = this.kill().then(() => this.#start());
    return this.#starting;
  }

  /** Without a chance to write anything more. */
  async kill(): Promise<void> {
    await this.stop("SIGKILL");
  }

  /** @returns its exit code; null: a signal ended it */
  async stop(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#process;
    if (child === null || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? null;
    child.kill(signal);
    await once(child, "close"); // with all that it printed
    return child.exitCode;
  }

  async #start(): Promise<void> {
    const main = path.resolve("local/main.ts");
    const options = ["--port", `${this.#port}`, ...this.#arguments];
    const child = spawn(process.execPath, ["--import", "tsx", main, ...options], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    this.#output = "";
    await new Promise<void>((resolve, reject) => {
      const read = (chunk: Buffer) => {
        this.#output += String(chunk);
        const told = /Local backend at http:\/\/127\.0\.0\.1:(\d+), HTTP actions at (\S+)\. /;
        const [, port, siteUrl] = told.exec(this.#output) ?? [];
        if (port === undefined || siteUrl === undefined) return;
        [this.#port, this.#siteUrl] = [Number(port), siteUrl];
        resolve();
      };
      child.stdout.on("data", read);
      child.stderr.on("data", read);
      child.once("close", (code) => reject(new Error(`The backend ended with ${code}:\n${this.#output}`)));
    });
  }
}

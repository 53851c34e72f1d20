// For tests: a backend in a process of its own, which can be killed.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";

export class BackendProcess {
  readonly #data: string;
  #port = 0;
  #process: ChildProcess | null = null;

  /** @param data - the folder that keeps data and code from one life to the next */
  constructor(data: string) {
    this.#data = data;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** On the port of the life before. @throws Error with what it printed, if it does not come up */
  async start(): Promise<void> {
    const args = ["--import", "tsx", "local/main.ts", "--port", `${this.#port}`, "--site-port", "0"];
    const child = spawn(process.execPath, [...args, "--data", this.#data], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    let output = "";
    await new Promise<void>((resolve, reject) => {
      const read = (chunk: Buffer) => {
        output += String(chunk);
        const port = /Local backend at http:\/\/127\.0\.0\.1:(\d+)/.exec(output)?.[1];
        if (port === undefined) return;
        this.#port = Number(port);
        child.stdout.off("data", read).resume();
        resolve();
      };
      child.stdout.on("data", read);
      child.stderr.on("data", (chunk) => (output += String(chunk)));
      child.once("exit", (code) => reject(new Error(`The backend ended with ${code}:\n${output}`)));
    });
  }

  /** Without a chance to write anything more. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
}

// For tests: the fixture app, pushed to a backend of its own by the stock CLI.
import fs from "node:fs";
import path from "node:path";
import { deploy } from "./push/deploy.js";
import { startBackend, type Backend, type BackendOptions } from "./server/backend.js";

export interface FixtureApp {
  readonly backend: Backend;
  readonly log: readonly string[];
  /** A copy of the app, for as long as the test runs. */
  readonly folder: string;
  push(): Promise<string>;
  /** A file of the app's functions. */
  read(name: string): string;
  write(name: string, source: string): void;
  remove(name: string): void;
  close(): Promise<void>;
}

export async function startFixtureApp(options: BackendOptions = {}): Promise<FixtureApp> {
  const [source, copies] = ["local/fixture", "local/.fixture"].map((folder) => path.resolve(folder)) as [
    string,
    string,
  ];
  fs.mkdirSync(copies, { recursive: true });
  const folder = fs.mkdtempSync(path.join(copies, "app-"));
  fs.cpSync(source, folder, { recursive: true });
  const log: string[] = [];
  const backend = await startBackend({ ...options, log: (line) => log.push(line) });
  const push = () => deploy(backend.url, { cwd: folder });
  const file = (name: string) => path.join(folder, "convex", name);
  await push();
  return {
    backend,
    log,
    folder,
    push,
    read: (name) => fs.readFileSync(file(name), "utf8"),
    write: (name, text) => {
      fs.mkdirSync(path.dirname(file(name)), { recursive: true });
      fs.writeFileSync(file(name), text);
    },
    remove: (name) => fs.rmSync(file(name), { recursive: true }),
    close: async () => {
      await backend.close();
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

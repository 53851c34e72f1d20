import { spawn } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

export interface DeployOptions {
  /** The folder with the app's `convex.json`; default: the current one. */
  readonly cwd?: string;
  /** The stock CLI's arguments; default: push once. */
  readonly args?: readonly string[];
}

const pushOnce = [
  "dev",
  "--once",
  "--typecheck",
  "disable",
  "--codegen",
  "disable",
  "--tail-logs",
  "disable",
];

/**
 * Runs the stock `convex` CLI against a backend: by default it pushes the app, once.
 *
 * @returns what the CLI printed
 * @throws Error with what it printed, if it ends with an error
 */
export async function deploy(
  url: string,
  { cwd = ".", args = pushOnce }: DeployOptions = {},
): Promise<string> {
  const cli = path.join(
    path.dirname(createRequire(import.meta.url).resolve("convex/package.json")),
    "bin/main.js",
  );
  const environmentFile = path.join(cwd, ".env.local");
  const before = fs.existsSync(environmentFile) ? fs.readFileSync(environmentFile) : null;
  try {
    return await run(cli, args, cwd, url);
  } finally {
    // The CLI notes the deployment there, for a developer who has but one.
    if (before !== null) fs.writeFileSync(environmentFile, before);
    else fs.rmSync(environmentFile, { force: true });
  }
}

function run(cli: string, args: readonly string[], cwd: string, url: string): Promise<string> {
  const deployment = { CONVEX_SELF_HOSTED_URL: url, CONVEX_SELF_HOSTED_ADMIN_KEY: "local" };
  const child = spawn(process.execPath, [cli, ...args], {
    cwd,
    env: { ...process.env, ...deployment, CI: "1" },
  });
  let output = "";
  child.stdout.on("data", (data) => (output += String(data)));
  child.stderr.on("data", (data) => (output += String(data)));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) =>
      code === 0
        ? resolve(output)
        : reject(new Error(`convex ${args.join(" ")} ended with ${code}:\n${output}`)),
    );
  });
}

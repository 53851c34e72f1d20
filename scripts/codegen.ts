// `npm run codegen`: the stock `convex` CLI generates code, with no deployment, against the local backend.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { startBackend } from "../local/server.js";

const appFolder = "example/convex"; // as in convex.json

const server = await startBackend();
try {
  mkdirSync(appFolder, { recursive: true }); // the CLI resolves from it, for a component too
  await convexCodegen(["--component-dir", "./src/component", "--typecheck", "disable"]);
  if (existsSync(`${appFolder}/convex.config.ts`)) await convexCodegen(["--typecheck", "disable"]);
} finally {
  await server.close();
}

function convexCodegen(options: readonly string[]): Promise<void> {
  const deployment = { CONVEX_SELF_HOSTED_URL: server.url, CONVEX_SELF_HOSTED_ADMIN_KEY: "local" };
  const child = spawn(process.execPath, ["node_modules/convex/bin/main.js", "codegen", ...options], {
    stdio: "inherit",
    env: { ...process.env, ...deployment },
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) =>
      code === 0 ? resolve() : reject(new Error(`convex codegen ${options.join(" ")} ended with ${code}.`)),
    );
  });
}

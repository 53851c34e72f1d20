import { execFileSync } from "node:child_process";
import { chromiumPath } from "./chromium.js";

/** Builds what the browser tests open. CI must not be without a browser; a user is told how to get one. */
export default function setup(): void {
  execFileSync("npm", ["run", "build", "--silent"], { stdio: "inherit" });
  if (chromiumPath === null) {
    const how = "Browser tests need Chromium: apt-get install chromium, or set CHROMIUM_PATH.";
    if (process.env["CI"] !== undefined) throw new Error(how);
    console.warn(`Browser tests are skipped. ${how}`);
    return;
  }
  // In a process of its own: this one is a test's, and what is built in it would be a development build.
  const env = { ...process.env, NODE_ENV: "production" };
  const args = ["vite", "build", "--config", "example/vite.config.ts", "--logLevel", "error"];
  execFileSync("npx", args, { stdio: "inherit", env });
}

import { defineConfig } from "vitest/config";

/** Tests of what is logged set the level themselves. */
const quiet = { REPLICATE_LOG_LEVEL: "ERROR" };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "convex",
          environment: "edge-runtime",
          include: ["src/{component,server,shared,collections}/**/*.test.ts"],
          exclude: ["**/*.property.test.ts"],
          testTimeout: 30_000,
          typecheck: { enabled: false },
          env: quiet,
          server: { deps: { inline: ["convex-test"] } },
        },
      },
      {
        test: {
          name: "node",
          environment: "node",
          include: [
            "src/client/**/*.test.ts",
            "src/**/*.property.test.ts",
            "src/testing/**/*.test.ts",
            "local/**/*.test.ts",
            "example/src/**/*.test.ts",
          ],
          env: quiet,
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "browser",
          environment: "node",
          include: ["src/**/*.browser.test.ts", "example/e2e/**/*.test.ts"],
          globalSetup: "example/e2e/setup.ts",
          fileParallelism: false,
          testTimeout: 60_000,
        },
      },
    ],
  },
});

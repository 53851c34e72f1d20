import { afterAll, beforeAll, expect, test } from "vitest";
import { startBackend } from "../server/backend.js";

let server: Awaited<ReturnType<typeof startBackend>>;
beforeAll(async () => void (server = await startBackend()));
afterAll(() => server.close());

const post = async (path: string, body: unknown) => {
  const response = await fetch(server.url + path, { method: "POST", body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};
const pushOf = (source: string) => ({
  appDefinition: {
    definition: null,
    dependencies: [],
    schema: null,
    changedModules: [{ path: "sites.js", source }],
    udfServerVersion: "1.48.0",
  },
  componentDefinitions: [],
});

test("it listens on loopback only", () => {
  expect(new URL(server.url).hostname).toBe("127.0.0.1");
});

test("a pushed function is analysed with its kind, visibility and validators, their keys sorted", async () => {
  const args = JSON.stringify({ type: "object", value: { b: 1, a: 2 } });
  const source = `export const list = Object.assign(() => {}, {
    isQuery: true, isPublic: true, exportArgs: () => ${JSON.stringify(args)}, exportReturns: () => null });
    export const helper = 1;`;
  const { status, body } = await post("/api/deploy2/start_push", pushOf(source));
  expect(status).toBe(200);
  expect(body["analysis"]).toMatchObject({
    "": {
      functions: {
        "sites.js": {
          functions: [
            {
              name: "list",
              udfType: "Query",
              visibility: { kind: "public" },
              args: '{"type":"object","value":{"a":2,"b":1}}',
            },
          ],
        },
      },
    },
  });
});

test("a module that throws while it is evaluated fails the push and says why", async () => {
  const { status, body } = await post("/api/deploy2/start_push", pushOf(`throw new Error("no such table");`));
  expect(status).toBe(400);
  expect(body).toMatchObject({
    code: "InvalidPush",
    message: expect.stringContaining("no such table") as string,
  });
});

test("an endpoint it does not have is named in the refusal", async () => {
  const { status, body } = await post("/api/deploy2/unheard_of", {});
  expect(status).toBe(404);
  expect(body["message"]).toContain("/api/deploy2/unheard_of");
});

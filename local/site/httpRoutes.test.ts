import {
  httpActionGeneric as httpAction,
  httpRouter,
  type RoutableMethod,
  type RouteSpec,
} from "convex/server";
import { describe, expect, test } from "vitest";
import { analyzeRoutes, checkMounts, lookup, readRouter, type HttpComponent } from "./httpRoutes.js";

const handler = () => httpAction(async () => new Response());
const routerOf = (...routes: string[]) => {
  const router = httpRouter();
  for (const route of routes) {
    const [method, path] = route.split(" ") as [RoutableMethod, string];
    const where = path.endsWith("*") ? { pathPrefix: path.slice(0, -1) } : { path };
    router.route({ ...where, method, handler: handler() } as RouteSpec);
  }
  return router;
};
const component = (path: string, router: HttpComponent["router"], mounts: HttpComponent["mounts"] = []) => ({
  path,
  router,
  mounts,
});

const files = component("files", routerOf("GET /", "GET /list", "POST /upload/*"), [
  { prefix: "/deep/", component: component("files/deep", routerOf("GET /*")) },
]);
const app: HttpComponent = component(
  "",
  routerOf(
    "GET /hello",
    "POST /hello",
    "GET /profile/*",
    "GET /profile/mine/*",
    "GET /f/exact",
    "GET /f/x/*",
  ),
  [
    { prefix: "/f/", component: files },
    { prefix: "/f/x/y/", component: component("y", routerOf("GET /z")) },
  ],
);
const onlyMounted = component("", null, [{ prefix: "/f/", component: files }]);
const prefixed: HttpComponent = { ...app, ownPrefix: "/app/" };

describe("a request goes to", () => {
  test.each<[string, HttpComponent, string, RoutableMethod | "HEAD", string]>([
    ["an exact path", app, "/hello", "GET", ": GET /hello"],
    ["the same path with another method", app, "/hello", "POST", ": POST /hello"],
    ["where GET goes, with HEAD", app, "/hello", "HEAD", ": GET /hello"],
    ["nothing, with a method that is not routed", app, "/hello", "PUT", "No matching routes found"],
    ["nothing, with a slash too many", app, "/hello/", "GET", "No matching routes found"],
    ["a prefix", app, "/profile/a/b", "GET", ": GET /profile/*"],
    ["the longest prefix", app, "/profile/mine/b", "GET", ": GET /profile/mine/*"],
    ["nothing, without the prefix's slash", app, "/profile", "GET", "No matching routes found"],
    ["a component", app, "/f/list", "GET", "files: GET /list"],
    ["a component's root", app, "/f/", "GET", "files: GET /"],
    ["a component of a component", app, "/f/deep/er", "GET", "files/deep: GET /*"],
    ["an exact path before a mount", app, "/f/exact", "GET", ": GET /f/exact"],
    ["a longer prefix before a mount", app, "/f/x/1", "GET", ": GET /f/x/*"],
    ["a longer mount before a prefix", app, "/f/x/y/z", "GET", "y: GET /z"],
    [
      "nothing, where the longest mount has no such route",
      app,
      "/f/x/y/1",
      "GET",
      "No matching routes found",
    ],
    ["a component of an app without routes", onlyMounted, "/f/list", "GET", "files: GET /list"],
    [
      "nothing, outside of the mounts of such an app",
      onlyMounted,
      "/",
      "GET",
      "This Convex deployment does not have HTTP actions enabled.",
    ],
    ["an app with a prefix of its own", prefixed, "/app/hello", "GET", ": GET /hello"],
    ["a prefix after the app's own", prefixed, "/app/profile/1", "GET", ": GET /profile/*"],
    ["nothing, without the app's prefix", prefixed, "/hello", "GET", "No matching routes found"],
    ["a component, which the app's prefix does not concern", prefixed, "/f/list", "GET", "files: GET /list"],
  ])("%s", (_, root, path, method, expected) => {
    const match = lookup(root, path, method);
    expect(match.isFound ? `${match.component}: ${match.method} ${match.route}` : match.message).toBe(
      expected,
    );
  });

  test("the handler that was routed", () => {
    const mine = handler();
    const router = httpRouter();
    router.route({ path: "/a", method: "GET", handler: mine });
    const match = lookup(component("", router), "/a", "GET");
    expect(match.isFound && match.handler).toBe(mine);
  });

  test("nothing, where an app has no routes", () => {
    const message = "This Convex deployment does not have HTTP actions enabled.";
    expect(lookup(component("", null), "/", "GET")).toEqual({ isFound: false, message });
  });
});

test("the routes are analysed as a deployment stores them", () => {
  expect(analyzeRoutes({ default: routerOf("POST /b", "GET /a/*") })).toEqual([
    { route: { path: "/b", method: "POST" }, pos: null },
    { route: { path: "/a/*", method: "GET" }, pos: null },
  ]);
  expect(analyzeRoutes(undefined)).toBeNull();
});

test.each([
  [{ router: httpRouter() }, "`convex/http.js` must have a default export of a Router."],
  [{ default: undefined }, "The default export of `convex/http.js` is not a Router."],
  [{ default: {} }, "The default export of `convex/http.js` is not a Router."],
  [{ default: { isRouter: true } }, ".getRoutes property on Router not found"],
])("an http module %# without a router is refused", (module, message) => {
  expect(() => readRouter(module)).toThrow(message);
});

test.each<[string, HttpComponent, string | null]>([
  ["a component with routes", app, null],
  [
    "a component whose own components have routes",
    component("", null, [
      { prefix: "/a/", component: component("a", null, [{ prefix: "/f/", component: files }]) },
    ]),
    null,
  ],
  [
    "a component without routes",
    component("", null, [{ prefix: "/a/", component: component("a", httpRouter()) }]),
    'HTTP mount "/a/" is invalid: Child component "a" doesn\'t have any HTTP routes.',
  ],
  [
    "a component at a prefix of the app",
    component("", routerOf("GET /f/*"), [{ prefix: "/f/", component: files }]),
    'HTTP mount "/f/" is invalid: Overlap with existing prefix route',
  ],
])("a mount of %s", (_, root, problem) => {
  if (problem === null) expect(() => checkMounts(root)).not.toThrow();
  else expect(() => checkMounts(root)).toThrow(problem);
});

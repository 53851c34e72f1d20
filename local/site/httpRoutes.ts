// Which HTTP action a request goes to. As `http_routing.rs` of get-convex/convex-backend has it: an exact path of
// `http.ts` first, then the longest of its prefixes and of the prefixes at which components are mounted; in such a
// component it begins anew with the rest of the path.
import type { HttpRouter, PublicHttpAction, RoutableMethod } from "convex/server";

/** A component that is mounted, or the app, as far as HTTP goes. */
export interface HttpComponent {
  /** Where it is mounted; the app: "". */
  readonly path: string;
  /** The default export of its `http.ts`; null: it has none. */
  readonly router: HttpRouter | null;
  /** The `httpPrefix` of `defineApp`, before the paths of the app's own `http.ts`; ends with a slash. */
  readonly ownPrefix?: string;
  /** The components of it that were used with an `httpPrefix`. */
  readonly mounts: readonly HttpMount[];
}

export interface HttpMount {
  /** Begins and ends with a slash. */
  readonly prefix: string;
  readonly component: HttpComponent;
}

export type RouteMatch =
  | {
      readonly isFound: true;
      readonly component: string;
      readonly handler: PublicHttpAction;
      readonly method: RoutableMethod;
      /** As it was defined, for the log: `/files/*`. */
      readonly route: string;
    }
  /** What production answers, with status 404. */
  | { readonly isFound: false; readonly message: string };

/** A route as a deployment describes it in the analysis of `http.js`. */
export interface HttpRouteAnalysis {
  readonly route: { readonly path: string; readonly method: string };
  readonly pos: null;
}

/** A push whose HTTP routes cannot be: the message is as Convex's backend words it. */
export class HttpRouteError extends Error {
  override readonly name = "HttpRouteError";
}

const noRoute = { isFound: false, message: "No matching routes found" } as const;
const noHttp = {
  isFound: false,
  message: "This Convex deployment does not have HTTP actions enabled.",
} as const;

/**
 * The HTTP action for a path. `HEAD` goes where `GET` goes.
 *
 * @param pathname of the request's URL, not decoded
 */
export function lookup(root: HttpComponent, pathname: string, method: RoutableMethod | "HEAD"): RouteMatch {
  let [component, path] = [root, pathname];
  for (;;) {
    const { router, mounts } = component;
    if (router === null && mounts.length === 0) return noHttp;
    const ownPrefix = component.ownPrefix ?? "/";
    const own = path.startsWith(ownPrefix)
      ? router?.lookup(`/${path.slice(ownPrefix.length)}`, method)
      : null;
    const mount = longestMount(mounts, path);
    if (own && (mount === null || prefixLength(own[2], ownPrefix) > mount.prefix.length)) {
      const [handler, routed, route] = own;
      return { isFound: true, component: component.path, handler, method: routed, route };
    }
    if (mount === null) return router === null ? noHttp : noRoute;
    component = mount.component;
    path = `/${path.slice(mount.prefix.length)}`;
  }
}

function longestMount(mounts: readonly HttpMount[], path: string): HttpMount | null {
  const fitting = mounts.filter(({ prefix }) => path.startsWith(prefix));
  return fitting.sort((a, b) => b.prefix.length - a.prefix.length)[0] ?? null;
}

/** How much of a path a route names; an exact route is better than any prefix. */
function prefixLength(route: string, ownPrefix: string): number {
  return route.endsWith("*") ? ownPrefix.length + route.length - 2 : Infinity;
}

type Module = Readonly<Record<string, unknown>>;

/** The router of a component's `http` module; null: it has none. @throws HttpRouteError if its export is no router */
export function readRouter(module: Module | undefined): HttpRouter | null {
  if (module === undefined) return null;
  if (!("default" in module))
    throw new HttpRouteError("`convex/http.js` must have a default export of a Router.");
  const router = module["default"] as Partial<HttpRouter> | null | undefined;
  if (router?.isRouter !== true)
    throw new HttpRouteError("The default export of `convex/http.js` is not a Router.");
  if (typeof router.getRoutes !== "function" || typeof router.lookup !== "function")
    throw new HttpRouteError(".getRoutes property on Router not found");
  return router as HttpRouter;
}

/** What a deployment says about the routes of a component; null: it has none. @throws HttpRouteError */
export function analyzeRoutes(module: Module | undefined): HttpRouteAnalysis[] | null {
  const router = readRouter(module);
  if (router === null) return null;
  return router.getRoutes().map(([path, method]) => ({ route: { path, method }, pos: null }));
}

/**
 * Checks a component's mounts as a push does (`type_checking.rs`).
 *
 * @throws HttpRouteError if a mounted component has no routes, or its prefix is one of `http.ts` too
 */
export function checkMounts({ router, mounts, ownPrefix = "/" }: HttpComponent): void {
  const prefixes = (router?.getRoutes() ?? []).flatMap(([path]) =>
    path.endsWith("*") ? [`${ownPrefix}${path.slice(1, -1)}`] : [],
  );
  for (const { prefix, component } of mounts) {
    const name = component.path.split("/").at(-1)!;
    const isEmpty = (component.router?.getRoutes() ?? []).length === 0 && component.mounts.length === 0;
    const problem = isEmpty
      ? `Child component "${name}" doesn't have any HTTP routes.`
      : prefixes.includes(prefix)
        ? "Overlap with existing prefix route"
        : null;
    if (problem !== null) throw new HttpRouteError(`HTTP mount "${prefix}" is invalid: ${problem}`);
  }
}

import type { PublicHttpAction, RoutableMethod } from "convex/server";
import type { Identity } from "../engine/engine.js";
import { identityOf } from "../server/syncProtocol.js";
import { lookup, type HttpComponent } from "./httpRoutes.js";

export interface SiteHandlerOptions {
  /** The routes of what was pushed last; null: nothing was. */
  readonly routes: () => HttpComponent | null;
  /**
   * Runs an HTTP action, which may call functions of its component.
   *
   * @param component where it is mounted; the app: ""
   * @throws whatever the action throws
   */
  readonly runHttpAction: (
    handler: PublicHttpAction,
    component: string,
    request: Request,
    identity: Identity | null,
  ) => Promise<Response>;
}

const unpushed: HttpComponent = { path: "", router: null, mounts: [] };

/**
 * Answers requests by an app's HTTP actions, for `startSite`. A token that cannot be read is no error: an app may
 * use the `Authorization` header in its own way. Components get no identity.
 */
export function siteHandler({
  routes,
  runHttpAction,
}: SiteHandlerOptions): (request: Request) => Promise<Response> {
  return async (request) => {
    const { pathname } = new URL(request.url);
    const match = lookup(routes() ?? unpushed, pathname, request.method as RoutableMethod | "HEAD");
    if (!match.isFound) return new Response(match.message, { status: 404 });
    const { handler, component } = match;
    const identity = component === "" ? identityFrom(request.headers.get("authorization")) : null;
    return await runHttpAction(handler, component, request, identity);
  };
}

function identityFrom(authorization: string | null): Identity | null {
  const token = /^Bearer (.*)$/.exec(authorization ?? "")?.[1];
  return token === undefined ? null : identityOf(token, Date.now());
}

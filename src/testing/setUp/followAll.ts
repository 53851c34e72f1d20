import type { FunctionReference } from "convex/server";
import type { ServerApp } from "../serverApp.js";

type Follower = {
  readonly next: FunctionReference<"query", "internal", { name: string }, { kind: string; batch?: object }>;
  readonly follow: FunctionReference<"mutation", "internal", Record<string, unknown>, null>;
};

/** Has the follower of the sites take in all that was written, as it does in the background, without its pauses. */
export async function followAll(app: ServerApp): Promise<void> {
  const { next, follow } = (app.component as unknown as { follower: Follower }).follower;
  for (;;) {
    const { batch } = await app.t.query((ctx) => ctx.runQuery(next, { name: "sites" }));
    if (batch === undefined) return;
    await app.t.mutation((ctx) => ctx.runMutation(follow, batch as Record<string, unknown>));
  }
}

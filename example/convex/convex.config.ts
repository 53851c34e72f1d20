import { defineApp } from "convex/server";
import { v } from "convex/values";
import replicate from "convex-replicate/convex.config";

const app = defineApp({
  env: {
    REPLICATE_LOG_LEVEL: v.optional(
      v.union(v.literal("DEBUG"), v.literal("INFO"), v.literal("WARN"), v.literal("ERROR")),
    ),
    REPLICATE_QUIET_SECONDS: v.optional(v.string()),
    REPLICATE_KEEP_DAYS: v.optional(v.string()),
  },
});
// By reference: `npx convex env set REPLICATE_LOG_LEVEL DEBUG` takes effect without another push.
app.use(replicate, {
  env: {
    REPLICATE_LOG_LEVEL: app.env.REPLICATE_LOG_LEVEL,
    REPLICATE_QUIET_SECONDS: app.env.REPLICATE_QUIET_SECONDS,
    REPLICATE_KEEP_DAYS: app.env.REPLICATE_KEEP_DAYS,
  },
});

export default app;

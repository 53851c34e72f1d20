import { cronJobs } from "convex/server";
import { internal } from "./_generated/api.js";

const crons = cronJobs();
crons.hourly("sweep", { minuteUTC: 17 }, internal.sweep.sweep, {});
// Daily, for it passes over all clients: what it deletes is a month old at least.
crons.daily("retire", { hourUTC: 3, minuteUTC: 41 }, internal.retire.retire, {});
export default crons;

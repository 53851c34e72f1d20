import { cronJobs } from "convex/server";
import { internal } from "./_generated/api.js";

const crons = cronJobs();
crons.hourly("sweep", { minuteUTC: 17 }, internal.sweep.sweep, {});
// Daily, for it passes over all clients: what it deletes is a month old at least.
crons.daily("retire", { hourUTC: 3, minuteUTC: 41 }, internal.retire.retire, {});
// Daily, for automatic versions are; what is too old is days old anyway.
crons.daily("history", { hourUTC: 2, minuteUTC: 23 }, internal.sweepHistory.sweep, {});
// In case nobody else did it, as the sweep.
crons.hourly("imports", { minuteUTC: 29 }, internal.importJobs.sweep, {});
export default crons;

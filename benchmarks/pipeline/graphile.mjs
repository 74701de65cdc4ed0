// Runs the jobs of graphile-worker until SIGTERM; its package is in the working folder.
//
//     node graphile.mjs        (GRAPHILE_URL; GRAPHILE_INSERTS=1 writes one row per job)
import { createRequire } from "node:module";
import path from "node:path";

const { run } = createRequire(path.join(process.cwd(), "index.js"))("graphile-worker");
const inserts = process.env.GRAPHILE_INSERTS === "1";
const INSERT =
  "INSERT INTO plain.predictions (text, label, probability, confidence) VALUES ($1, $2, $3, $4)";

// As in graphile-worker's own performance test: a local queue, and completions in batches.
const runner = await run({
  preset: {
    worker: {
      connectionString: process.env.GRAPHILE_URL,
      concurrentJobs: 24,
      maxPoolSize: 25,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    },
  },
  taskList: {
    score: async (payload, helpers) => {
      if (inserts) await helpers.query(INSERT, [payload.text, "ham", 0.1, 0.9]);
    },
  },
});
console.log("graphile-worker is ready.");
await runner.promise;

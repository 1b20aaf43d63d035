/**
 * Which module may import which, generated from the rank table.
 *
 * A room imports itself and rooms of strictly lower rank; a room's subfolders are private to it; a few modules of Node
 * and of npm have one place each. test/unit/boundaries.test.ts proves that these rules report what they forbid.
 */
const path = require("node:path");

/** Lowest first; rooms on one line do not know each other. */
const RANKS = [
  ["base"],
  ["maildir"],
  ["txn"],
  ["log", "wire"],
  ["claim"],
  ["capture", "apply", "resync"],
  ["agent"],
  ["daemon"],
];

const roomRules = RANKS.flatMap((rooms, rank) =>
  rooms.map((room) => {
    const allowed = [room, ...RANKS.slice(0, rank).flat()];
    return {
      name: `rank-${room}`,
      comment: `${room}/ may import only ${allowed.join(", ")}. Move the shared part down, or pass it in.`,
      severity: "error",
      from: { path: `^src/${room}/` },
      to: { path: "^src/", pathNot: `^src/(${allowed.join("|")})/` },
    };
  }),
);

const ruled = RANKS.flat();

/** One place for each of these: [rule, modules, where they may be imported, why]. */
const PLACES = [
  [
    "fs-place",
    "^(node:)?fs(/promises)?$",
    "^src/(base|daemon)/",
    "Mail is touched only through the disk port of base/.",
  ],
  ["net-place", "^(node:)?(net|tls|dgram|http2)$", "^src/wire/", "Only wire/ talks to another host."],
];

const placeRules = PLACES.map(([name, modules, where, comment]) => ({
  name,
  comment,
  severity: "error",
  from: { path: "^src/", pathNot: where },
  to: { path: modules, dependencyTypesNot: ["type-only"] }, // a type has no effect.
}));

module.exports = {
  forbidden: [
    ...roomRules,
    ...placeRules,
    {
      name: "room-unknown",
      comment: `A file of src/ lies in one of the rooms: ${ruled.join(", ")}.`,
      severity: "error",
      from: { path: "^src/", pathNot: `^src/(${ruled.join("|")})/` },
      to: {},
    },
    {
      name: "subfolder-private",
      comment:
        "Import the room's own module; its subfolders may change at any time. Generated code may use generated code.",
      severity: "error",
      from: { path: "^src/([^/]+)/", pathNot: "^src/[^/]+/gen/" },
      to: { path: "^src/[^/]+/[^/]+/", pathNot: "^src/$1/" },
    },
    {
      name: "no-cycle",
      comment: "A cycle hides which module is the lower one.",
      severity: "error",
      from: { path: "^src/" },
      to: { circular: true },
    },
    {
      name: "src-is-shipped",
      comment: "Nothing in src/ imports tests, benchmarks or scripts.",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(test|bench|scripts|dist)/" },
    },
    {
      name: "no-dev-dependency",
      comment: "Shipped code imports only what package.json lists under dependencies.",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], pathNot: "^node_modules/@types/" },
    },
    {
      name: "no-unresolved",
      comment: "The imported module does not exist.",
      severity: "error",
      from: { path: "^src/" },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(dist|bench/dist)/" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
      extensions: [".ts", ".d.ts", ".js", ".mjs", ".cjs", ".json"],
    },
    tsConfig: { fileName: path.join(__dirname, "tsconfig.json") },
  },
};

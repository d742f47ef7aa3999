// The layers of src. A file imports its own layer and lower ranks; layers of one rank never import each other. The lowest rank
// is one layer: rules and bounds belong together.
const ranks = [
  ['domain|limits'],
  ['entities', 'config'],
  ['database', 'redis', 'payments', 'mail', 'pubsub'],
  ['services'],
  ['resolvers', 'workers'],
  ['server'],
  ['main'],
];

/** A layer is a folder or a single file of that name. */
const pathOf = (names) => `^src/(${names.join('|')})(/|\\.ts$)`;

const layerRules = ranks.flatMap((layers, rank) =>
  layers.map((layer) => ({
    name: `${layer.replace('|', '-and-')}-imports-only-lower-ranks`,
    severity: 'error',
    from: { path: pathOf([layer]) },
    to: {
      path: '^src/',
      pathNot: [pathOf([layer]), ...(rank === 0 ? [] : [pathOf(ranks.slice(0, rank).flat())])],
    },
  })),
);

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...layerRules,
    {
      name: 'every-file-of-src-has-a-layer',
      severity: 'error',
      from: { path: '^src/', pathNot: pathOf(ranks.flat()) },
      to: {},
    },
    {
      name: 'src-stands-alone',
      comment: 'The product never needs what only a laptop, a test or a measurement needs.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(sandbox|test|bench|client|web)/' },
    },
    {
      name: 'src-needs-production-dependencies-alone',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['npm', 'type-only'] },
    },
    {
      name: 'no-circular',
      comment: 'Rows name each other on both sides of a relation, so entities may.',
      severity: 'error',
      from: { pathNot: '^src/entities/' },
      to: { circular: true },
    },
    {
      name: 'not-to-unresolvable',
      severity: 'error',
      from: {},
      // This package holds types alone, so there is no code to resolve to.
      to: { couldNotResolve: true, pathNot: '^@graphql-typed-document-node/core$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};

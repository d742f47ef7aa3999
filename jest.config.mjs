// The tests run the ESM sources as CommonJS: jest's own ESM support cannot yet mix both kinds of packages reliably.
const swc = [
  '@swc/jest',
  {
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: false, useDefineForClassFields: false },
    },
    module: { type: 'commonjs' },
    sourceMaps: 'inline',
  },
];

// Packages that ship ESM alone; everything else in node_modules is loaded as it is.
const esmOnly = ['jose'];

// These take minutes: they run by `npm run test:long`, or when a test is named.
const long = [
  'faults/(kill|losing-redis|rolling-restart|hampered-redis)',
  'features/hub-memory',
  'interleaving',
  'simulation',
];
const isNamed = process.argv.slice(2).some((argument) => !argument.startsWith('-'));

/** @type {import('jest').Config} */
const config = {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  // The matrix of faults is a program of its own (`npm run test:faults`), and a test for its mutants.
  testPathIgnorePatterns: [
    '/node_modules/',
    '<rootDir>/test/faults/(matrix|forgotten-keys)\\.test\\.ts$',
    ...(isNamed ? [] : [`<rootDir>/test/(${long.join('|')})`]),
  ],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.floodgate/'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: { '\\.ts$': swc, [`/node_modules/(${esmOnly.join('|')})/.+\\.js$`]: swc },
  transformIgnorePatterns: [`/node_modules/(?!(${esmOnly.join('|')})/)`],
  globalSetup: '<rootDir>/test/support/global-setup.mjs',
  globalTeardown: '<rootDir>/test/support/global-teardown.mjs',
  maxWorkers: 2,
  testTimeout: 60_000,
};

// biome-ignore lint/style/noDefaultExport: jest reads the default export.
export default config;

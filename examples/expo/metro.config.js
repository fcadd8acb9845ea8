// Metro's settings: cometchat-ext and what the examples share lie beside this folder.
const { getDefaultConfig } = require('expo/metro-config');
const { join } = require('node:path');

const config = getDefaultConfig(__dirname);
config.watchFolders = [join(__dirname, '..', 'shared'), join(__dirname, '..', '..', 'clients', 'typescript')];
// One copy of React and the others: this app's, also for cometchat-ext, which has its own for its tests.
config.resolver.nodeModulesPaths = [join(__dirname, 'node_modules')];
config.resolver.blockList = [/clients\/typescript\/node_modules\/.*/, /shared\/node_modules\/.*/];
module.exports = config;

export { stranger } from './person.mjs';

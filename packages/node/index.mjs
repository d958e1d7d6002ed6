import cotas from './index.js';

export const {
  ArgumentError, CotasError, Decision, Engine, LibraryError, QuotaExceeded, Tenant, doctor, restore,
  version, whatsappEvents,
} = cotas;
export default cotas;

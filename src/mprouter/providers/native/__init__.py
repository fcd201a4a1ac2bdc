"""Network providers in shared libraries with the C interface of npapi.h."""

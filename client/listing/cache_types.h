#ifndef DMFRAG_CLIENT_LISTING_CACHE_TYPES_H_
#define DMFRAG_CLIENT_LISTING_CACHE_TYPES_H_

#include "client/listing/listing.h"

namespace dmfrag::client {

// The cache types that a spec can name, in order of their declaration (cache.proto), each with where it comes from,
// where it departs, what stands behind its results, its options, and what it refuses and why.
Listing ListCacheTypes();

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_LISTING_CACHE_TYPES_H_

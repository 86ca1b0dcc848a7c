#ifndef DMFRAG_CLIENT_LISTING_PRESETS_H_
#define DMFRAG_CLIENT_LISTING_PRESETS_H_

#include "client/listing/listing.h"

namespace dmfrag::client {

// The mixes that a spec can name, sorted, each with its users and with where its figures come from.
Listing ListPresets();

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_LISTING_PRESETS_H_

#ifndef DMFRAG_CLIENT_LISTING_USER_KINDS_H_
#define DMFRAG_CLIENT_LISTING_USER_KINDS_H_

#include "client/listing/listing.h"

namespace dmfrag::client {

// The kinds of users that a mix can have, in order of their declaration (users.proto), each with its defaults, their
// sources, and what is a guess.
Listing ListUserKinds();

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_LISTING_USER_KINDS_H_

#ifndef DMFRAG_CLIENT_LISTING_FIGURES_H_
#define DMFRAG_CLIENT_LISTING_FIGURES_H_

#include <google/protobuf/message.h>

#include <vector>

#include "client/listing/listing.h"

namespace dmfrag::client {

// The fields of a kind of user or a cache type, in order of their declaration, with their defaults, what else they
// take, and where the default comes from (annotations.proto `figure`). REQUIRES: defaults are filled in.
std::vector<ListedFigure> FiguresOf(const google::protobuf::Message& filled);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_LISTING_FIGURES_H_
